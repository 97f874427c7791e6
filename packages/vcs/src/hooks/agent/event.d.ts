export interface AgentActor {
  readonly key: string;
  readonly email: string | null;
}
export declare function toActor(key: string | undefined, email: string | undefined): AgentActor | null;
export declare function findServerActor(env: Readonly<Record<string, string | undefined>>): AgentActor | null;
