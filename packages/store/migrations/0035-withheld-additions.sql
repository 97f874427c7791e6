-- Who was not added while a group of the policy was missing (rule B4), for whoever asks about that moment.
alter table syncs add column withheld_additions bytea references member_sets (digest);
create index syncs__withheld_additions on syncs (withheld_additions) where withheld_additions is not null;

-- Policy folds the names of users as the directory does by now: the index from names to scopes is made anew.
update reference_index set policy_version_id = null;
