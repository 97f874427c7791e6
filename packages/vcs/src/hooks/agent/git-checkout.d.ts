export declare function parseConfig(output: Uint8Array): Map<string, string>;
export declare function toUpstreamName(branch: string, config: ReadonlyMap<string, string>): string;
export declare function findRepositoryName(
  config: ReadonlyMap<string, string>,
  where: { readonly branch: string | null; readonly cwd: string },
): string | null;
