export declare function readSettings(
  hgDir: string,
  env: Readonly<Record<string, string | undefined>>,
): Map<string, string>;
export declare function parseSettings(text: string): Map<string, string>;
