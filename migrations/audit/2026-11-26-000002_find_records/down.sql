CREATE OR REPLACE FUNCTION audit_ensure_partitions(reference timestamptz, months_ahead integer) RETURNS integer
LANGUAGE plpgsql
SET timezone TO 'UTC'
SET datestyle TO 'ISO'
AS $$
DECLARE
    first_month timestamptz;
    next_month  timestamptz;
    partition   text;
    created     integer := 0;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('audit_ensure_partitions'));
    FOR month IN -1 .. months_ahead LOOP
        first_month := date_trunc('month', reference) + make_interval(months => month);
        next_month  := first_month + interval '1 month';
        partition   := 'audit_records_' || to_char(first_month, 'YYYY_MM');
        CONTINUE WHEN to_regclass(format('%I.%I', current_schema(), partition)) IS NOT NULL;

        BEGIN
            EXECUTE format('CREATE TABLE %I (LIKE audit_records INCLUDING ALL)', partition);
            -- Row triggers come with ATTACH, statement triggers do not.
            EXECUTE format(
                'CREATE TRIGGER audit_records_no_truncate BEFORE TRUNCATE ON %I '
                'FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse_change()', partition);
            EXECUTE format(
                'ALTER TABLE audit_records ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)',
                partition, first_month, next_month);
            created := created + 1;
        EXCEPTION WHEN check_violation THEN
            RAISE WARNING 'the default partition already holds rows of %, so it gets no partition of its own', partition;
        END;
    END LOOP;
    RETURN created;
END
$$;

DO $$
BEGIN
    EXECUTE format('ALTER FUNCTION audit_ensure_partitions(timestamptz, integer) SET search_path = %I, pg_temp', current_schema());
END
$$;

DROP FUNCTION audit_vacuum_often(text);
DROP FUNCTION audit_payload_text(json, json, json, json);
DROP INDEX audit_records_by_commit;
DROP INDEX audit_records_by_trace;
DROP INDEX audit_records_by_request;
DROP INDEX audit_records_by_failure;
DROP INDEX audit_records_by_resource;
CREATE INDEX audit_records_by_resource ON audit_records (resource_type, resource_id, occurred_at, id);
ALTER TABLE audit_records DROP CONSTRAINT audit_records_pkey;
ALTER TABLE audit_records ADD CONSTRAINT audit_records_pkey PRIMARY KEY (occurred_at, id);
