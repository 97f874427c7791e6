export declare function defaultRepositoryName(urlOrPath: string): string | null;
export declare function stripCredentials(text: string): string;
