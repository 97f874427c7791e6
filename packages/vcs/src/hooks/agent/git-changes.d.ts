export declare function readChanges(
  input: Buffer,
): { entitlement: "create" | "push" | "force" | "delete"; refType: "branch"; branch: string }[];
