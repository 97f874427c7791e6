/** A device's token as it is kept. */
export interface Enrolment {
  readonly token: string;
  readonly user: string;
  readonly device: string;
  /** RFC 3339; null for never. */
  readonly expiresAt: string | null;
}
type Environment = Readonly<Record<string, string | undefined>>;
export declare function toEnrolmentFile(env: Environment): string | undefined;
export declare function findEnrolment(env: Environment, url: string): Enrolment | null;
export declare function toAddress(url: string): string;
