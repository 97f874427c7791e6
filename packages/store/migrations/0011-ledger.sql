-- The ledger: who held what on which incarnation, from when to when, by which rule, verified when. And what keeps
-- removals back or sends them ahead: guards, approvals, revocations.

-- A row is opened before the write that gives, so that what may have been given is known even if the outcome is not.
create table ledger_entries (
  id uuid primary key,
  seq bigint generated always as identity,
  scope_id uuid not null references scopes (id),
  incarnation_id uuid not null references incarnations (id),
  endpoint text not null,
  entitlement text not null,
  -- The endpoint's id of the account, and the directory's user where it is known.
  member text not null,
  user_id uuid,
  -- sync: given by us. adoption: found, and right. drift: found, and never given by us.
  origin text not null check (origin in ('sync', 'adoption', 'drift')),
  reasons jsonb not null default '[]',
  -- The policy's references among the reasons: what guards count directory groups by.
  refs text[] not null default '{}',
  policy_version_id uuid references policy_versions (id),
  granted_at timestamptz not null,
  known_at timestamptz not null default now(),
  verified_at timestamptz,
  -- A removal that a plan is about to make; it counts for guards from here on.
  ending_at timestamptz,
  ended_at timestamptz,
  ended_cause text,
  constraint ledger_entries__ended check (ended_at is null or ended_cause is not null)
);
create unique index ledger_entries__open on ledger_entries (scope_id, entitlement, member) where ended_at is null;
create index ledger_entries__scope_id on ledger_entries (scope_id, entitlement, member);
create index ledger_entries__user_id on ledger_entries (user_id) where ended_at is null;
create index ledger_entries__incarnation_id on ledger_entries (incarnation_id, entitlement, user_id);
create index ledger_entries__ending_at on ledger_entries (ending_at) where ending_at is not null;
create index ledger_entries__policy_version_id on ledger_entries (policy_version_id);

-- What the ledger said of a scope when it was last written: an equal run writes nothing.
alter table scopes add column ledger_digest bytea;
-- Why due_at: an expiry goes ahead of everything.
alter table scopes add column due_reason text check (due_reason in ('expiry', 'window', 'retry', 'verify'));

-- Removals that guards keep back (rule C1): they stay in the effective set.
create table withheld_removals (
  scope_id uuid not null references scopes (id),
  entitlement text not null,
  member text not null,
  user_id uuid,
  cause text not null,
  sync_id uuid not null,
  since timestamptz not null default now(),
  primary key (scope_id, entitlement, member)
);
create index withheld_removals__user_id on withheld_removals (user_id);

alter table syncs add column withheld jsonb not null default '[]';
alter table syncs add column over_limit jsonb not null default '[]';
alter table syncs add column plan_digest text;
alter table syncs add column caused_by text[] not null default '{}';
-- Differences found that Branchward did not cause.
alter table syncs add column drift integer not null default 0;
create index syncs__drift on syncs (scope_id, finished_at) where drift > 0;

-- Approvals are of a plan as it was shown, for 24 hours.
create table approvals (
  id uuid primary key,
  kind text not null check (kind in ('sync', 'policy')),
  subject uuid not null,
  digest text not null,
  approved_by text not null,
  approved_at timestamptz not null default now(),
  expires_at timestamptz not null
);
create index approvals__subject on approvals (subject);

-- The removals that an approval lets go: of a scope's entitlement, through a reference of the policy in every scope,
-- or of a deactivated user everywhere.
create table approved_removals (
  approval_id uuid not null references approvals (id),
  scope_id uuid references scopes (id),
  entitlement text,
  reference text,
  user_id uuid not null,
  constraint approved_removals__shape check (
    (scope_id is not null and entitlement is not null and reference is null)
    or (scope_id is null and entitlement is null)
  )
);
create index approved_removals__approval_id on approved_removals (approval_id);
create index approved_removals__scope_id on approved_removals (scope_id);
create index approved_removals__user_id on approved_removals (user_id);

-- Revocations (rule C3): outstanding until verified. `requested` grows with each new cause; done when reached.
create table revocations (
  id uuid primary key,
  kind text not null check (kind in ('user', 'incarnation', 'scope')),
  subject uuid not null,
  cause text not null,
  requested bigint not null default 1,
  requested_at timestamptz not null default now(),
  due_at timestamptz not null default now(),
  attempts integer not null default 0,
  total integer,
  outstanding integer,
  last_error text,
  done_at timestamptz
);
create unique index revocations__open on revocations (kind, subject) where done_at is null;
create index revocations__due_at on revocations (due_at) where done_at is null;
create index revocations__requested_at on revocations (requested_at);
create index directory_changes__deactivations on directory_changes (created_at) where kind = 'user.deactivated';
