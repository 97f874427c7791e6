/** What a deactivated account must not keep: ways in that do not ask whether it is active. */
import type { AccountOperation } from "./account-profile.ts";

/** Attributes that hold keys, whatever an extension calls them: `sshPublicKeys`, `ssh_keys`, `gpgKeys`. */
const KEYS = /^(?:x509certificates|.*(?:ssh|gpg|pgp|public)_?-?(?:public)?_?-?keys?)$/iu;
/** Extensions that are about keys, in which the attribute need not say of which kind: `…:SshKeys:keys`. */
const KEY_EXTENSION = /(?:ssh|gpg|pgp)/iu;
const PLAIN_KEYS = /keys?$/iu;

/**
 * Operations that take the keys and certificates away that an account shows. Deactivating comes first and by itself: an
 * endpoint that refuses one of these must not keep the account open for it.
 */
export function planKeyRemovals(actual: Readonly<Record<string, unknown>>): readonly AccountOperation[] {
  return Object.entries(actual).flatMap(([name, value]): readonly AccountOperation[] => {
    if (name.startsWith("urn:") && typeof value === "object" && value !== null) {
      return Object.entries(value).flatMap(([part, inner]) =>
        isKeys(name, part) && isHeld(inner) ? [{ op: "remove", path: `${name}:${part}` }] : [],
      );
    }
    return KEYS.test(name) && isHeld(value) ? [{ op: "remove", path: name }] : [];
  });
}

function isKeys(uri: string, part: string): boolean {
  return KEYS.test(part) || (KEY_EXTENSION.test(uri) && PLAIN_KEYS.test(part));
}

function isHeld(value: unknown): boolean {
  return Array.isArray(value) ? value.length > 0 : value !== undefined && value !== null && value !== "";
}
