/** Hides how passwords are kept: bcrypt, as crypt(3), nginx and Apache read it. */
import { compare, hash, truncates } from "bcryptjs";
import { ScimError } from "@branchward/scim";

/** 2^10 rounds: some 60 ms here and at each request of a web server that checks it. */
const COST = 10;

/** Its hash; the one there is where that is of the same password. @throws ScimError 400 for what bcrypt would cut */
export async function toPasswordHash(password: string, before: string | undefined): Promise<string> {
  if (password.length < 8) throw refuse("a password has 8 characters or more");
  if (truncates(password)) throw refuse("a password has at most 72 bytes");
  // eslint-disable-next-line no-control-regex -- these are what is looked for
  if (/[\u0000-\u001f\u007f]/u.test(password)) throw refuse("a password holds no control characters");
  if (before !== undefined && (await compare(password, before))) return before;
  return hash(password, COST);
}

function refuse(detail: string): ScimError {
  return new ScimError(400, detail, "invalidValue");
}
