-- Whose deactivation or deletion stands behind a revocation (rule C2): found by the user.
create index directory_changes__ended_users on directory_changes (resource_id)
  where kind in ('user.deactivated', 'user.deleted');
