export declare function isCheckout(name: string, env: Readonly<Record<string, string | undefined>>): boolean;
export declare function readWorkingCopy(hgDir: string): {
  readonly refType: "branch" | "bookmark" | "topic";
  readonly name: string | null;
  readonly revision: string | null;
};
export declare function findRepositoryName(settings: ReadonlyMap<string, string>, cwd: string): string | null;
