export declare function decide(status: number): "sent" | "refused" | "kept";
export declare function toRetryAfterMs(value: string | undefined, now: number): number;
export declare function toSignedHeaders(message: {
  readonly id: string;
  readonly body: string;
  readonly secret: Uint8Array;
  readonly now: number;
}): Record<string, string>;
