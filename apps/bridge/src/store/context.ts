import { ScimError } from "@branchward/scim";

/** Who asks a bridge. */
export interface BridgeContext {
  /** The fencing token of the writer's lease (rule C4). */
  readonly fence?: number;
}

/** The fence in a `Branchward-Fence` header, undefined where there is none. @throws ScimError 400 invalidValue */
export function parseFence(header: string | undefined): number | undefined {
  if (header === undefined) return undefined;
  const fence = /^\d{1,16}$/u.test(header) ? Number(header) : Number.NaN;
  if (!Number.isSafeInteger(fence)) throw new ScimError(400, "Branchward-Fence must be an integer", "invalidValue");
  return fence;
}
