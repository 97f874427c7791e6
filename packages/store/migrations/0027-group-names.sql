-- Groups that bear a suffix because another held their name, found when it gives the name up (rule A8).
create index entitlement_groups__display_name on entitlement_groups (display_name text_pattern_ops);
