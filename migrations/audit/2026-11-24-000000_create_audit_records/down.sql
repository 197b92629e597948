-- The roles stay: other databases of the same cluster may use them.
DROP TABLE audit_records;
DROP FUNCTION audit_ensure_partitions(timestamptz, integer);
DROP FUNCTION audit_prepare_roles();
DROP FUNCTION audit_refuse_change();
