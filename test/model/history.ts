/** The source's side: what its refs are, what it tells of them, and what the oracle makes of being told. */
import type { NormalizedDelivery, RefChange } from "@branchward/core";
import type { Command, RenameForm, Telling } from "./commands.ts";
import type { Safety } from "./oracle/safety.ts";
import { bear, doubt, end, rename, settle, type World } from "./oracle/world.ts";
import { PAIRING_WINDOW_MS } from "./system.ts";

type Meaning = Partial<NormalizedDelivery>;

/** A delivery on its way, and what being told of it means. */
interface Message {
  readonly key: string;
  readonly meaning: Meaning;
  readonly names: readonly string[];
  readonly isDoubtful: boolean;
  readonly text: string;
  readonly fold: () => void;
}

export interface HistoryDeps {
  readonly world: World;
  readonly safety: Safety;
  readonly hasClock: boolean;
  readonly deliver: (meaning: Meaning, key: string) => Promise<void>;
  /** After a rename was told: from here on it narrows. */
  readonly onRename: (to: string) => Promise<void>;
  readonly note: (line: string) => void;
}

/** What a working copy tells. */
export interface CheckoutTold {
  readonly actor: string;
  readonly copy: string;
  readonly name: string | null;
  readonly occurredAt: Date;
}

export interface History {
  apply(command: Extract<Command, { do: "create" | "push" | "delete" | "recreate" | "rename" }>): Promise<void>;
  deliverLate(index: number): Promise<void>;
  /** A clone tells that a branch is gone, which means nothing (rule A1). */
  claim(name: string): Promise<void>;
  checkOut(told: CheckoutTold): Promise<void>;
  /** The source tells of everything that there is, where it told less or otherwise before. */
  backfill(): Promise<void>;
  headOf(name: string): string | undefined;
  /** Names that there are. */
  names(): ReadonlySet<string>;
}

interface State extends HistoryDeps {
  readonly refs: Map<string, string>;
  readonly late: Message[];
  /** When something last began or ended at a revision: what comes near may be half of a rename. */
  readonly seenAt: Map<string, { readonly at: number; readonly names: Set<string> }>;
  count: number;
  needsBackfill: boolean;
}

export function createHistory(deps: HistoryDeps): History {
  const state: State = { ...deps, refs: new Map(), late: [], seenAt: new Map(), count: 0, needsBackfill: false };
  return {
    apply: (command) => apply(state, command),
    async deliverLate(index) {
      const [message] = state.late.splice(index % Math.max(1, state.late.length), 1);
      if (message === undefined) return;
      state.needsBackfill = true;
      for (const name of message.names) doubt(state.world, name);
      await hand(state, message);
    },
    claim: (name) => claim(state, name),
    checkOut: (told) => tellCheckout(state, told),
    backfill: () => backfill(state),
    headOf: (name) => state.refs.get(name),
    names: () => new Set(state.refs.keys()),
  };
}

function newRevision(state: State): string {
  state.count += 1;
  return state.count.toString(16).padStart(40, "0");
}

async function apply(state: State, command: Parameters<History["apply"]>[0]): Promise<void> {
  const { refs } = state;
  const head = refs.get(command.name);
  switch (command.do) {
    case "create":
      if (head !== undefined) return;
      return create(state, command.name, {
        revision: refs.get(command.like ?? "") ?? newRevision(state),
        telling: command.telling,
      });
    case "push":
      if (head !== undefined) await push(state, command.name, command.telling);
      return;
    case "delete":
      if (head !== undefined) await remove(state, command.name, command.telling);
      return;
    case "recreate":
      if (head === undefined) return;
      await remove(state, command.name, "once");
      return create(state, command.name, { revision: newRevision(state), telling: command.telling });
    case "rename":
      if (head !== undefined && !refs.has(command.to)) await move(state, command);
  }
}

async function create(
  state: State,
  name: string,
  { revision, telling }: { readonly revision: string; readonly telling: Telling },
): Promise<void> {
  state.refs.set(name, revision);
  const isAmbiguous = noteTurn(state, name, revision);
  const fold = (): void => {
    state.safety.renew(name);
    bear(state.world, name).isUncertain = isAmbiguous;
  };
  await tell(state, telling, { meaning: { changes: [created(name, revision)] }, names: [name], fold });
}

async function push(state: State, name: string, telling: Telling): Promise<void> {
  const before = state.refs.get(name) ?? null;
  const after = newRevision(state);
  state.refs.set(name, after);
  const change = { ...created(name, after), kind: "push", before } as const;
  await tell(state, telling, { meaning: { changes: [change] }, names: [name], fold: () => undefined });
}

async function remove(state: State, name: string, telling: Telling): Promise<void> {
  const revision = state.refs.get(name) ?? "";
  state.refs.delete(name);
  noteTurn(state, name, revision);
  const fold = (): void => end(state.world, name);
  await tell(state, telling, { meaning: { changes: [deleted(name, revision)] }, names: [name], fold });
}

async function move(state: State, { name, to, form, telling }: Extract<Command, { do: "rename" }>): Promise<void> {
  const revision = state.refs.get(name) ?? "";
  state.refs.delete(name);
  state.refs.set(to, revision);
  const isAmbiguous = noteTurn(state, name, revision) || noteTurn(state, to, revision, [name]);
  const halves = { gone: deleted(name, revision), made: created(to, revision) };
  if (form === "group" || form === "hint") {
    const fold = (): void => {
      const life = state.world.lives.get(name);
      if (life === undefined || !life.isAlive || isAmbiguous) return foldApart(state, name, to);
      state.safety.narrow(name, to);
      rename(state.world, name, to);
    };
    await tell(state, telling, { meaning: toRename(state, form, halves), names: [name, to], fold });
    return state.onRename(to);
  }
  const fold = (): void => foldApart(state, name, to);
  const order = form === "apart" ? [halves.gone, halves.made] : [halves.made, halves.gone];
  for (const change of order) await tell(state, telling, { meaning: { changes: [change] }, names: [name, to], fold });
}

/** Whether two deliveries are one rename or a delete and a create may be judged either way here. */
function foldApart({ world, safety }: State, name: string, to: string): void {
  end(world, name);
  const life = bear(world, to);
  life.isUncertain = true;
  safety.note(world);
}

function toRename(
  state: State,
  form: RenameForm,
  { gone, made }: { readonly gone: RefChange; readonly made: RefChange },
): Meaning {
  state.count += 1;
  const renames = form === "hint" ? [{ refType: "branch" as const, from: gone.name, to: made.name }] : [];
  return { changes: [gone, made], groupKey: form === "hint" ? null : `push-${state.count}`, renames };
}

/** True when another name began or ended at the revision within the pairing window. */
function noteTurn(state: State, name: string, revision: string, own: readonly string[] = []): boolean {
  const { now } = state.world;
  const seen = state.seenAt.get(revision);
  const isNear = seen !== undefined && now - seen.at <= PAIRING_WINDOW_MS;
  const names = isNear ? seen.names : new Set<string>();
  const others = [...names].filter((each) => each !== name && !own.includes(each));
  state.seenAt.set(revision, { at: now, names: new Set([...names, name]) });
  // Another branch stands at the revision: its own create or delete may be taken for the other half.
  for (const each of others) {
    const life = state.world.lives.get(each);
    if (life !== undefined) life.isUncertain = true;
  }
  const life = state.world.lives.get(name);
  if (others.length > 0 && life !== undefined) life.isUncertain = true;
  return others.length > 0;
}

function created(name: string, revision: string): RefChange {
  return { kind: "create", refType: "branch", name, before: null, after: revision, forced: false, closed: false };
}

function deleted(name: string, revision: string): RefChange {
  return { kind: "delete", refType: "branch", name, before: revision, after: null, forced: null, closed: false };
}

async function tell(
  state: State,
  telling: Telling,
  { meaning, names, fold }: Pick<Message, "meaning" | "names" | "fold">,
): Promise<void> {
  state.count += 1;
  const message: Message = {
    key: `delivery-${state.count}`,
    meaning: { ...meaning, occurredAt: state.hasClock ? new Date(state.world.now) : null },
    names,
    isDoubtful: false,
    text: (meaning.changes ?? [])
      .map(({ kind, name, before, after }) => toText(kind, name, [before, after]))
      .join(" + "),
    fold,
  };
  const again = { ...message, key: `${message.key}-again`, isDoubtful: true };
  if (telling === "late" || telling === "lost") {
    state.note(`(source: ${message.text}, told ${telling === "late" ? "later" : "never"})`);
    state.needsBackfill = true;
    for (const name of names) doubt(state.world, name);
    if (telling === "late") state.late.push(message);
    return;
  }
  await hand(state, message);
  // The same delivery again means nothing more.
  if (telling === "twice") await hand(state, { ...message, fold: () => undefined });
  if (telling === "again") state.late.push(again);
}

function toText(kind: string, name: string, [before, after]: readonly (string | null)[]): string {
  return `${kind} ${name} ${shorten(before)}→${shorten(after)}`;
}

function shorten(revision: string | null | undefined): string {
  return revision?.replace(/^0+/u, "r") ?? "-";
}

async function hand(state: State, message: Message): Promise<void> {
  state.note(`deliver ${message.key}: ${message.text}`);
  const isClear =
    !message.isDoubtful && message.names.every((name) => state.world.lives.get(name)?.isDoubtful !== true);
  if (isClear) message.fold();
  else for (const name of message.names) doubt(state.world, name);
  state.safety.note(state.world);
  await state.deliver(message.meaning, message.key);
}

async function backfill(state: State): Promise<void> {
  if (!state.needsBackfill && state.late.length === 0) return;
  const names = new Set([...state.refs.keys(), ...state.world.lives.keys()]);
  const sightings = [...names].map((name) => ({
    refType: "branch" as const,
    name,
    head: state.refs.get(name) ?? null,
  }));
  state.note(`deliver backfill: ${[...state.refs.keys()].join(", ")}`);
  settle(state.world, new Set(state.refs.keys()));
  state.safety.note(state.world);
  await state.deliver({ sightings, event: "backfill", occurredAt: new Date(state.world.now) }, "backfill");
}

async function claim(state: State, name: string): Promise<void> {
  state.count += 1;
  const revision = state.refs.get(name) ?? "0".repeat(40);
  state.note(`a clone tells: delete ${name}`);
  const meaning = { site: "client", changes: [deleted(name, revision)] } as const;
  await state.deliver(meaning, `claim-${state.count}`);
}

async function tellCheckout(state: State, { actor, copy, name, occurredAt }: CheckoutTold): Promise<void> {
  state.count += 1;
  await state.deliver(
    {
      site: "client",
      event: "post-checkout",
      actor: { key: actor, email: null, trust: "token" },
      occurredAt,
      checkout: { refType: "branch", name, revision: null, workingCopy: copy },
    },
    `checkout-${state.count}`,
  );
}
