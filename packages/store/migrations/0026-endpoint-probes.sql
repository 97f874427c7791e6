-- Trying out what an endpoint does: how the last try ended, and the group that it may have left.

alter table endpoint_states
  -- Why the last try did not come to its end; null when it did.
  add column card_error text,
  -- A probe makes a group of its own; what is named here may still be there.
  add column probe_external_id text;
