-- Who is behind an actor (rules B5, B6): links by hand, tokens of devices, and what each delivery resolved to.

-- An actor of a source that is a user of the directory, said by hand. Compared byte for byte.
create table identity_links (
  source text not null,
  actor text not null,
  user_id uuid not null,
  linked_by text not null,
  linked_at timestamptz not null default now(),
  primary key (source, actor)
);
create index identity_links__user_id on identity_links (user_id);

-- A token of scope `agent` is a user's on a device.
alter table tokens add column user_id uuid;
alter table tokens add column device text;
create index tokens__user_id on tokens (user_id) where user_id is not null;

-- One-time codes, each exchanged for one such token.
create table enrolment_codes (
  id uuid primary key,
  hash bytea not null unique,
  user_id uuid not null,
  device text not null,
  token_days integer not null,
  made_by text not null,
  created_at timestamptz not null default now(),
  expires_at timestamptz not null,
  used_at timestamptz,
  token_id uuid references tokens (id)
);
create index enrolment_codes__token_id on enrolment_codes (token_id) where token_id is not null;

-- The user that the actor was when the delivery came, and the device's token that it came with.
alter table deliveries add column user_id uuid;
alter table deliveries add column token_id uuid references tokens (id);
create index deliveries__token_id on deliveries (token_id) where token_id is not null;
-- Who has left a branch lately: what they held by being there ends by that, as by its time.
create index checkouts__left on checkouts (incarnation_id, ended_at) where ended_at is not null;
