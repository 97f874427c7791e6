-- Scheduled audits (rule C9): one round after another pages through an endpoint's groups, within its budget.
create table endpoint_audits (
  endpoint text primary key,
  -- Where the round goes on; null between rounds.
  position text,
  round_started_at timestamptz,
  previous_round_at timestamptz,
  finished_at timestamptz,
  groups integer not null default 0,
  differing integer not null default 0,
  due_at timestamptz not null
);
-- When an audit last saw the group.
alter table entitlement_groups add column audited_at timestamptz;
create index entitlement_groups__group_id on entitlement_groups (group_id);
