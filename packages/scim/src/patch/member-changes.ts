/** Hides how a sequence of operations on members becomes one delta, without the members at hand. */
import { ScimError } from "../error.ts";
import type { Filter } from "../filter/bind.ts";
import { matchesFilter } from "../filter/evaluate.ts";
import { isJsonArray, type JsonObject } from "../json.ts";
import { readMembers } from "../resource/members.ts";
import type { Member, MemberDelta } from "../store.ts";
import type { AttributeOperation } from "./types.ts";

/** Whether the operation can only be decided with the members at hand. */
export function needsMembers({ filter }: AttributeOperation): boolean {
  return filter !== undefined && listIds(filter) === undefined;
}

/** Collects the effect of operations; `current` must be given where one of them `needsMembers`. */
export class MemberChanges {
  readonly #current: readonly Member[];
  #clear = false;
  readonly #remove = new Set<string>();
  readonly #add = new Map<string, Member>();
  #touched = false;

  constructor(current: readonly Member[] | undefined) {
    this.#current = current ?? [];
  }

  /** @throws ScimError 400 */
  apply(operation: AttributeOperation): void {
    const { op, target, filter, value } = operation;
    if (target.sub !== undefined)
      throw new ScimError(400, `${target.sub.name} of a member cannot change`, "mutability");
    this.#touched = true;
    if (op === "remove") {
      if (filter !== undefined) return this.#removeIds(listIds(filter) ?? this.#listMatches(filter));
      if (value === undefined) return this.#replace([]);
      // An empty list names nobody: it is no reason to remove everybody.
      const named = value === null || (isJsonArray(value) && value.length === 0) ? [] : value;
      return this.#removeIds(readMembers(target.attribute, named).map((member) => member.value));
    }
    if (filter !== undefined) throw new ScimError(400, `${op} takes no selection of members`, "invalidPath");
    const members = value === undefined || value === null ? [] : readMembers(target.attribute, value);
    if (op === "replace") this.#replace(members);
    else this.#addAll(members);
  }

  /** The delta of all operations, undefined when there was none. */
  toDelta(): MemberDelta | undefined {
    if (!this.#touched) return undefined;
    return { clear: this.#clear, remove: [...this.#remove], add: [...this.#add.values()] };
  }

  #replace(members: readonly Member[]): void {
    this.#clear = true;
    this.#remove.clear();
    this.#add.clear();
    this.#addAll(members);
  }

  #addAll(members: readonly Member[]): void {
    for (const member of members) {
      this.#remove.delete(member.value);
      this.#add.set(member.value, member);
    }
  }

  #removeIds(ids: readonly string[]): void {
    for (const id of ids) {
      this.#add.delete(id);
      if (!this.#clear) this.#remove.add(id);
    }
  }

  #listMatches(filter: Filter): readonly string[] {
    const kept = this.#clear ? [] : this.#current.filter(({ value }) => !this.#remove.has(value));
    return [...kept, ...this.#add.values()]
      .filter((member) => matchesFilter(filter, toObject(member)))
      .map(({ value }) => value);
  }
}

/** The ids that a filter of the form `value eq "…" or …` names; undefined for any other. */
function listIds(filter: Filter): readonly string[] | undefined {
  if (filter.kind === "compare") {
    const byId = filter.operator === "eq" && filter.target.attribute.name === "value";
    return byId && typeof filter.literal === "string" ? [filter.literal] : undefined;
  }
  if (filter.kind !== "or") return undefined;
  const left = listIds(filter.left);
  const right = listIds(filter.right);
  return left === undefined || right === undefined ? undefined : [...left, ...right];
}

function toObject({ value, type, display }: Member): JsonObject {
  return { value, type, display };
}
