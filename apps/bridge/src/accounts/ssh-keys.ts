/** SSH public keys of a SCIM user: what may become a line that sshd reads. */
import { sshKeysSchema } from "@branchward/core";
import { isJsonObject, type JsonObject, ownValue, ScimError } from "@branchward/scim";
import { textOf } from "../state/text-of.ts";

const TYPES: ReadonlySet<string> = new Set([
  "ssh-ed25519",
  "sk-ssh-ed25519@openssh.com",
  "ecdsa-sha2-nistp256",
  "ecdsa-sha2-nistp384",
  "ecdsa-sha2-nistp521",
  "sk-ecdsa-sha2-nistp256@openssh.com",
  "ssh-rsa",
]);
const MAX_KEYS = 20;
const MAX_KEY_LENGTH = 4_096;
/** A 2048-bit modulus alone has 256 bytes. */
const MIN_RSA_BYTES = 256;

/** A user's keys as `type base64`. @throws ScimError 400 invalidValue naming what is wrong with one */
export function listKeys(attributes: JsonObject): readonly string[] {
  const extension = ownValue(attributes, sshKeysSchema);
  const values = isJsonObject(extension) ? ownValue(extension, "keys") : undefined;
  if (!Array.isArray(values)) return [];
  if (values.length > MAX_KEYS) throw refuse(`a user has at most ${MAX_KEYS} SSH keys`);
  const keys = values.map((value: unknown, index) => {
    const text = isJsonObject(value) ? textOf(value, "value") : "";
    const problem = findKeyProblem(text);
    if (problem !== undefined) throw refuse(`SSH key ${index + 1}: ${problem}`);
    return text.split(" ", 2).join(" ");
  });
  return [...new Set(keys)];
}

/** Why a text is no key; undefined when it is one. The blob names its own type (RFC 4253 §6.6). */
export function findKeyProblem(text: string): string | undefined {
  if (text.length > MAX_KEY_LENGTH) return `it is longer than ${MAX_KEY_LENGTH} characters`;
  if (!/^[\x20-\x7e]*$/u.test(text)) return "it holds a line break or another character that no key has";
  const match = /^([a-z0-9@.-]+) ([A-Za-z0-9+/]+={0,2})( [\x20-\x7e]*)?$/u.exec(text);
  const [, type = "", base64 = ""] = match ?? [];
  if (match === null) return "write it as ssh-keygen does: type, key, comment; options are not taken";
  if (!TYPES.has(type)) return `${type} is no type that is taken; these are: ${[...TYPES].join(", ")}`;
  const fields = readFields(Buffer.from(base64, "base64"));
  const isCanonical = Buffer.from(base64, "base64").toString("base64") === base64;
  if (fields === undefined || !isCanonical) return "the key itself is not whole";
  if (fields[0]?.toString("latin1") !== type) return `the key itself is not of type ${type}`;
  if (type === "ssh-rsa" && (fields[2]?.length ?? 0) < MIN_RSA_BYTES) return "an RSA key has at least 2048 bits";
  return undefined;
}

/** The length-prefixed fields of a key; undefined where they do not fill it. */
function readFields(blob: Buffer): readonly Buffer[] | undefined {
  const fields: Buffer[] = [];
  let offset = 0;
  while (offset < blob.length) {
    if (offset + 4 > blob.length) return undefined;
    const end = offset + 4 + blob.readUInt32BE(offset);
    if (end > blob.length) return undefined;
    fields.push(blob.subarray(offset + 4, end));
    offset = end;
  }
  return fields.length >= 2 ? fields : undefined;
}

function refuse(detail: string): ScimError {
  return new ScimError(400, detail, "invalidValue");
}
