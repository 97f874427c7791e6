-- Names freed by deletion are found by the key that the directory compares names by (rule C5). Deletions recorded before
-- it was noted are found by lower case alone, until their quarantine is over.
create index directory_changes__freed_name on directory_changes
  (coalesce(details ->> 'userNameKey', lower(details ->> 'userName')), created_at)
  where kind = 'user.deleted';
drop index directory_changes__deleted_name;
