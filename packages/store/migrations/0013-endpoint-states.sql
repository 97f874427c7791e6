-- How each endpoint is to be spoken to, shared by all workers and kept over restarts.

create table endpoint_states (
  endpoint text primary key,
  -- open: no calls but one probe at a time; half-open: that probe is under way.
  breaker text not null default 'closed' check (breaker in ('closed', 'open', 'half-open')),
  breaker_since timestamptz not null default now(),
  probe_at timestamptz,
  -- What Retry-After asked for.
  blocked_until timestamptz,
  -- Calls at once, as the worker that spoke last has it.
  call_limit integer,
  last_error text,
  last_error_at timestamptz,
  -- What a probe of its behaviour showed.
  card jsonb,
  card_at timestamptz,
  -- Our groups there are removed, or left and forgotten (rule B8).
  retirement text check (retirement in ('remove', 'leave')),
  retired_at timestamptz,
  retired_by text,
  updated_at timestamptz not null default now()
);
