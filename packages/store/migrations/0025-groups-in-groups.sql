-- Which groups a group holds, found without reading its users, of whom there may be tens of thousands.
create index directory_members__group_id_of_groups on directory_members (group_id, member_id) where member_kind = 'Group';
