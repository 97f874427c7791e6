import type { RepositoryClaim, RepositoryId } from "@branchward/core";
import { uuidv7 } from "uuidv7";
import type { Queryable } from "./database.ts";
import { lockRepositoryClaim } from "./locks.ts";

export interface Repository {
  readonly id: RepositoryId;
  readonly name: string;
}

/** The sources that configuration joins into one repository (rule A2). */
export type JoinedSources = (source: string, name: string) => readonly string[];

function toRepository(row: { id: string; name: string }): Repository {
  return { id: row.id as RepositoryId, name: row.name };
}

async function findBinding(db: Queryable, source: string, claim: RepositoryClaim) {
  const query = db
    .selectFrom("repository_bindings")
    .innerJoin("repositories", "repositories.id", "repository_bindings.repository_id")
    .select([
      "repository_bindings.id as bindingId",
      "repository_bindings.name as boundName",
      "repositories.id as id",
      "repositories.name as name",
    ])
    .where("repository_bindings.source", "=", source);
  const row = await (
    claim.nativeId === null
      ? query.where("repository_bindings.native_id", "is", null).where("repository_bindings.name", "=", claim.name)
      : query.where("repository_bindings.native_id", "=", claim.nativeId)
  ).executeTakeFirst();
  return row;
}

/**
 * The repository that a source's claim names: bound by its native id, else by name (rule A2); made on first sight.
 * A rename told by a native id moves the label and keeps the repository.
 */
export async function resolveRepository(
  trx: Queryable,
  source: string,
  claim: RepositoryClaim,
  joined: JoinedSources,
): Promise<Repository> {
  const found = await findBinding(trx, source, claim);
  if (found !== undefined && found.boundName === claim.name) return toRepository(found);
  await lockRepositoryClaim(trx, { source, joined: joined(source, claim.name), claim });
  const raced = await findBinding(trx, source, claim);
  if (raced !== undefined) {
    if (raced.boundName === claim.name) return toRepository(raced);
    await trx.updateTable("repository_bindings").set({ name: claim.name }).where("id", "=", raced.bindingId).execute();
    await trx.updateTable("repositories").set({ name: claim.name }).where("id", "=", raced.id).execute();
    return { id: raced.id as RepositoryId, name: claim.name };
  }
  const id = (await findJoined(trx, source, claim, joined)) ?? (await insertRepository(trx, claim));
  await trx
    .insertInto("repository_bindings")
    .values({ id: uuidv7(), repository_id: id, source, native_id: claim.nativeId, name: claim.name })
    .execute();
  return { id: id as RepositoryId, name: claim.name };
}

async function insertRepository(trx: Queryable, claim: RepositoryClaim): Promise<string> {
  const id = uuidv7();
  await trx.insertInto("repositories").values({ id, name: claim.name, vcs: claim.vcs }).execute();
  return id;
}

async function findJoined(
  trx: Queryable,
  source: string,
  claim: RepositoryClaim,
  joined: JoinedSources,
): Promise<string | undefined> {
  const others = joined(source, claim.name).filter((other) => other !== source);
  if (others.length === 0) return undefined;
  const row = await trx
    .selectFrom("repository_bindings")
    .select("repository_id")
    .where("source", "in", others)
    .where("name", "=", claim.name)
    .orderBy("created_at", "desc")
    .executeTakeFirst();
  return row?.repository_id;
}

/** Repositories that carry this label now; several sources may each have one. */
export async function listRepositoriesByName(db: Queryable, name: string): Promise<readonly Repository[]> {
  const rows = await db
    .selectFrom("repositories")
    .select(["id", "name"])
    .where("name", "=", name)
    .orderBy("id")
    .execute();
  return rows.map(toRepository);
}
