import { type EndpointConfiguration, listCardProblems } from "@branchward/core";
import { type endpointItem, endpointList } from "@branchward/core/api";
import { answer, defineRoute, type Route } from "@branchward/runtime";
import {
  type AuditState,
  type Database,
  listAuditStates,
  listEndpointGates,
  listEndpointStates,
  listEndpointCards,
  listRetirements,
  type RecordedCard,
  type Retirement,
  type ShownGate,
} from "@branchward/store";
import type { z } from "zod";

export interface EndpointDeps {
  readonly db: Database;
  readonly endpoints: readonly EndpointConfiguration[];
}

/** `GET /v1/endpoints`: every configured endpoint and how it stands. */
export function createEndpointRoute({ db, endpoints }: EndpointDeps): Route {
  return defineRoute({
    method: "get",
    path: "/v1/endpoints",
    summary: "The configured endpoints and how they stand",
    scope: "read",
    responses: { 200: { description: "all of them, in the order of the configuration", body: endpointList } },
    async handle() {
      const names = endpoints.map(({ name }) => name);
      const [states, gates, retirements, audits, cards] = await Promise.all([
        listEndpointStates(db, names),
        listEndpointGates(db, names),
        listRetirements(db, names),
        listAuditStates(db),
        listEndpointCards(db, names),
      ]);
      const items = endpoints.flatMap(({ name, type, url, ci, concurrency }) => {
        const state = states.find(({ endpoint }) => endpoint === name);
        if (state === undefined) return [];
        const { endpoint: _, ...stands } = state;
        const gate = toGateItem(gates.find(({ endpoint }) => endpoint === name));
        const retirement = toRetirementItem(retirements.find(({ endpoint }) => endpoint === name));
        const audit = toAuditItem(audits.find(({ endpoint }) => endpoint === name));
        const probe = toProbeItem(cards.find(({ endpoint }) => endpoint === name));
        return [{ name, type, url, ci, concurrency, gate, retirement, audit, probe, ...stands }];
      });
      return answer(200, { items });
    },
  });
}

/** Of an endpoint never spoken to there is nothing recorded, and nothing in the way. */
function toGateItem(gate: ShownGate | undefined): z.input<typeof endpointItem>["gate"] {
  const untouched = { since: null, blockedUntil: null, nextTryAt: null, limit: null, lastFailure: null };
  if (gate === undefined) return { breaker: "closed", ...untouched };
  const { endpoint: _, ...shown } = gate;
  return shown;
}

function toAuditItem(state: AuditState | undefined): z.input<typeof endpointItem>["audit"] {
  if (state === undefined || state.roundStartedAt === null) return null;
  const { roundStartedAt: startedAt, finishedAt, periodMs, groups, differing } = state;
  return { startedAt, finishedAt, periodMs, groups, differing };
}

function toRetirementItem(retirement: Retirement | undefined): z.input<typeof endpointItem>["retirement"] {
  if (retirement === undefined) return null;
  const { endpoint: _, ...shown } = retirement;
  return shown;
}

function toProbeItem(recorded: RecordedCard | undefined): z.input<typeof endpointItem>["probe"] {
  if (recorded === undefined || recorded.at === null) return null;
  const { card, at, error } = recorded;
  const schemas = card === null || card.schemas === null ? null : [...card.schemas];
  return {
    at,
    error,
    card: card === null ? null : { ...card, schemas },
    problems: card === null ? [] : [...listCardProblems(card)],
  };
}
