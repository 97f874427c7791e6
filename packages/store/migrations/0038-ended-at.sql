-- Who was deactivated or deleted since a moment: guards ask (rule C2), and a run before it adds anybody (rule C3).
create index directory_changes__ended_at on directory_changes (created_at)
  where kind in ('user.deactivated', 'user.deleted');
drop index directory_changes__deactivations;
