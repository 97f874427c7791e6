-- Which account of an endpoint a directory user is (rule C5).

create table account_links (
  endpoint text not null,
  user_id uuid not null,
  -- The endpoint's id: the account, or the candidate that waits for approval or was rejected.
  account_id text,
  -- The directory's name when it was last looked at: kept when the user is deleted.
  user_name text not null,
  state text not null check (
    state in ('linked', 'pending-approval', 'rejected', 'missing', 'ambiguous', 'quarantined', 'ended')
  ),
  state_since timestamptz not null default now(),
  -- accounts: true at the endpoint, so that the account is kept by us.
  managed boolean not null,
  created_by_us boolean not null default false,
  deactivated_by_us boolean not null default false,
  -- Paths that we wrote.
  written text[] not null default '{}',
  -- Who approved or rejected.
  decided_by text,
  -- Last looked at; null asks for a look whatever its age.
  verified_at timestamptz,
  -- As of scopes: what was asked for and what was reached, when to try again, and who works on it.
  requested bigint not null default 0,
  requested_at timestamptz not null default now(),
  reconciled bigint not null default 0,
  failures integer not null default 0,
  due_at timestamptz,
  lease_token bigint not null default 0,
  lease_until timestamptz,
  error text,
  created_at timestamptz not null default now(),
  primary key (endpoint, user_id)
);
create unique index account_links__endpoint_account_id on account_links (endpoint, account_id)
  where state in ('linked', 'ended');
create index account_links__user_id on account_links (user_id);
create index account_links__unreconciled on account_links (requested_at) where requested > reconciled;
create index account_links__due_at on account_links (due_at) where due_at is not null;
create index account_links__unlinked on account_links (endpoint, state_since) where state not in ('linked', 'ended');

-- Scopes that met a user without an account, and are asked for again when there is one.
create table account_waits (
  endpoint text not null,
  user_id uuid not null,
  scope_id uuid not null references scopes (id),
  primary key (endpoint, user_id, scope_id)
);
create index account_waits__scope_id on account_waits (scope_id);

-- Names freed by deletion (rule C5).
create index directory_changes__deleted_name on directory_changes (lower(details ->> 'userName'), created_at)
  where kind = 'user.deleted';
