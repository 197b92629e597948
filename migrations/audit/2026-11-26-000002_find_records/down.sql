CREATE OR REPLACE FUNCTION audit_keep_partitions_ahead(OUT created integer, OUT default_is_occupied boolean)
LANGUAGE plpgsql
SECURITY DEFINER
AS $$
BEGIN
    created := audit_ensure_partitions(now(), 3);
    default_is_occupied := EXISTS (SELECT FROM audit_records_default);
END
$$;

DO $$
BEGIN
    EXECUTE format('ALTER FUNCTION audit_keep_partitions_ahead() SET search_path = %I, pg_temp', current_schema());
END
$$;

DROP FUNCTION audit_vacuum_often();
DROP FUNCTION audit_payload_text(json, json, json, json);
DROP INDEX audit_records_by_commit;
DROP INDEX audit_records_by_trace;
DROP INDEX audit_records_by_request;
DROP INDEX audit_records_by_failure;
DROP INDEX audit_records_by_resource;
CREATE INDEX audit_records_by_resource ON audit_records (resource_type, resource_id, occurred_at, id);
ALTER TABLE audit_records DROP CONSTRAINT audit_records_pkey;
ALTER TABLE audit_records ADD CONSTRAINT audit_records_pkey PRIMARY KEY (occurred_at, id);
