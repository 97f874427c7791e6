-- Policy versions are proposed, and put in force once their plan is known (rule B1).
alter table policy_versions drop constraint policy_versions_state_check;
alter table policy_versions add constraint policy_versions__state
  check (state in ('proposed', 'active', 'held', 'rejected', 'superseded'));
alter table policy_versions alter column activated_at drop not null;
alter table policy_versions alter column activated_at drop default;
alter table policy_versions add constraint policy_versions__activated
  check (state <> 'active' or activated_at is not null);

-- Files say what they say again and again; only what they newly say is a proposal.
alter table policy_versions add column origin text not null default 'file' check (origin in ('file', 'api'));
alter table policy_versions add column proposed_at timestamptz not null default now();
update policy_versions set proposed_at = activated_at;
-- Why it is held or rejected, in a sentence; and, for a held one, its plan in numbers with the digest that an approval names.
alter table policy_versions add column reason text;
alter table policy_versions add column plan jsonb;
alter table policy_versions add column plan_digest text;
alter table policy_versions add column planned_at timestamptz;
alter table policy_versions add column decided_by text;
alter table policy_versions add column decided_at timestamptz;

create index policy_versions__activated_at on policy_versions (activated_at) where activated_at is not null;
create index policy_versions__origin_file on policy_versions (origin, file, seq desc);
create unique index policy_versions__held on policy_versions ((true)) where state = 'held';

-- An approved version lets go what a user holds of an entitlement through a reference, in every scope.
alter table approved_removals drop constraint approved_removals__shape;
alter table approved_removals add constraint approved_removals__shape check (
  (scope_id is not null and entitlement is not null and reference is null)
  or (scope_id is null and (entitlement is null or reference is not null))
);
