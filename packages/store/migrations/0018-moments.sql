-- What is given or suspended for a moment: emergency grants (rule B9), holds; and what desired finds in each scope.

-- `expired` is also read from `expires_at`: a grant ends with its time, not with the row's next writer.
create table emergency_grants (
  id uuid primary key,
  seq bigint generated always as identity,
  user_id uuid not null,
  entitlement text not null,
  incarnation_id uuid not null references incarnations (id),
  state text not null check (state in ('requested', 'approved', 'expired', 'revoked', 'rejected')),
  for_ms bigint not null,
  reason text not null,
  requested_by text not null,
  requested_at timestamptz not null default now(),
  decided_by text,
  decided_at timestamptz,
  expires_at timestamptz,
  ended_by text,
  ended_at timestamptz
);
create unique index emergency_grants__seq on emergency_grants (seq desc);
create index emergency_grants__incarnation_id on emergency_grants (incarnation_id);
create index emergency_grants__user_id on emergency_grants (user_id);
create index emergency_grants__expires_at on emergency_grants (expires_at) where state = 'approved';

-- Repair is suspended in the scopes that a hold covers: a repository, or one branch of it; one endpoint, or all.
create table holds (
  id uuid primary key,
  seq bigint generated always as identity,
  repository_id uuid not null references repositories (id),
  incarnation_id uuid references incarnations (id),
  endpoint text,
  reason text not null,
  made_by text not null,
  made_at timestamptz not null default now(),
  until_at timestamptz not null,
  ended_by text,
  ended_at timestamptz,
  -- Set once the scopes were asked for after its end: a hold that ended unnoticed is a row without it.
  settled_at timestamptz
);
create unique index holds__seq on holds (seq desc);
create index holds__repository_id on holds (repository_id) where settled_at is null;
create index holds__incarnation_id on holds (incarnation_id);
create index holds__until_at on holds (until_at) where settled_at is null;

-- What the last run of each scope found wrong with its policy. One finding is raised for all rows of a code and subject.
create table scope_findings (
  scope_id uuid not null references scopes (id),
  code text not null,
  subject text not null,
  severity text not null check (severity in ('info', 'warning', 'critical')),
  message text not null,
  primary key (scope_id, code, subject)
);
create index scope_findings__code_subject on scope_findings (code, subject, scope_id);
