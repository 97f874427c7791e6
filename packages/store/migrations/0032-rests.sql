-- Pushes since anything else was asked of a scope: what moves a head and changes nobody's access may wait its turn.
alter table scopes add column pushed bigint not null default 0;
