-- What a POST whose answer is not known sent as members: at an endpoint that drops externalId a group of the intended
-- name is ours when it holds nobody else (rule C6). Null once the outcome is known.
alter table entitlement_groups add column sent_members text[];
