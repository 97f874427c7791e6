/** Looks at what runs record: nothing under a lease that is another's by then, and nothing verified that is not so. */
import type { Pool } from "pg";
import type { Safety } from "./oracle/safety.ts";
import type { Place } from "./oracle/world.ts";
import type { EndpointName } from "./setting.ts";

export interface RecordedSync {
  readonly scopeId: string;
  readonly endpoint: EndpointName;
  readonly incarnation: string;
  /** The branch's name and state in the registry now. */
  readonly name: string;
  readonly state: "active" | "closed" | "deleted";
  readonly token: number;
  readonly requested: number;
  readonly verdict: string;
  readonly reason: string;
  readonly error: { readonly code: string } | null;
}

export interface RecordWatch {
  /** Notes which leases there are, before something happens. */
  begin(): Promise<void>;
  /** What was recorded since; `stolen`: under a lease that had passed to another before. */
  end(): Promise<{ readonly syncs: readonly RecordedSync[]; readonly stolen: readonly RecordedSync[] }>;
  /** Whether the branch is alive under this name in the registry. */
  isLive(incarnation: string, name: string): Promise<boolean>;
  /** The name of a live branch. */
  findName(incarnation: string): Promise<string | undefined>;
  /** From here on the scopes of the name are narrowed, each until a run that knew of it is verified. */
  startNarrowing(safety: Safety, places: readonly Place[]): Promise<void>;
  endNarrowing(safety: Safety, place: Place): Promise<void>;
}

function keyOf({ endpoint, name }: Place): string {
  return `${endpoint} ${name}`;
}

export function createRecordWatch(pool: Pool): RecordWatch {
  const state = { seq: 0, tokens: new Map<string, number>(), narrowed: new Map<string, number>() };
  const findName = async (incarnation: string): Promise<string | undefined> => {
    const { rows } = await pool.query<{ name: string }>(
      "select name from incarnations where id::text = $1 and state = 'active'",
      [incarnation],
    );
    return rows[0]?.name;
  };
  return {
    async begin() {
      const { rows } = await pool.query<{ id: string; token: number }>(
        "select id, lease_token::int as token from scopes",
      );
      state.tokens = new Map(rows.map(({ id, token }) => [id, token]));
    },
    async end() {
      const { rows } = await pool.query<RecordedSync & { seq: number }>(
        `select syncs.seq::int as seq, syncs.scope_id as "scopeId", scopes.endpoint, incarnations.id as incarnation, incarnations.name,
           incarnations.state, syncs.lease_token::int as token, syncs.requested::int as requested, syncs.verdict, syncs.reason, syncs.error
         from syncs join scopes on scopes.id = syncs.scope_id join incarnations on incarnations.id = scopes.incarnation_id
         where syncs.seq > $1 order by syncs.seq`,
        [state.seq],
      );
      state.seq = rows.at(-1)?.seq ?? state.seq;
      return { syncs: rows, stolen: rows.filter(({ scopeId, token }) => token < (state.tokens.get(scopeId) ?? 0)) };
    },
    isLive: async (incarnation, name) => (await findName(incarnation)) === name,
    findName,
    async startNarrowing(safety, places) {
      for (const place of places) {
        const { rows } = await pool.query<{ requested: number }>(
          `select requested::int as requested from scopes join incarnations on incarnations.id = incarnation_id
           where name = $1 and endpoint = $2 and state <> 'deleted'`,
          [place.name, place.endpoint],
        );
        const [scope] = rows;
        // Without a scope there is nothing at the endpoint that a rename could widen.
        if (scope === undefined) safety.widen(place);
        else state.narrowed.set(keyOf(place), scope.requested);
      }
    },
    async endNarrowing(safety, place) {
      const requested = state.narrowed.get(keyOf(place));
      if (requested === undefined) return;
      const { rowCount } = await pool.query(
        `select from syncs join scopes on scopes.id = syncs.scope_id join incarnations on incarnations.id = incarnation_id
         where name = $1 and endpoint = $2 and state <> 'deleted' and syncs.verdict = 'verified' and syncs.requested >= $3`,
        [place.name, place.endpoint, requested],
      );
      if (rowCount === 0) return;
      safety.widen(place);
      state.narrowed.delete(keyOf(place));
    },
  };
}
