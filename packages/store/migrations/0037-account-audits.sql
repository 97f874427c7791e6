-- When an audit last saw the account (rule C9).
alter table account_links add column audited_at timestamptz;
