-- What the questions of /audit need, for as little as possible of what an insert costs.
-- ADR 29 says what each was measured to cost and to save.

-- The key of the page, with the columns that have no index of their own beside it: what
-- is asked of those, and every count, is answered by reading this index alone.
ALTER TABLE audit_records DROP CONSTRAINT audit_records_pkey;
ALTER TABLE audit_records ADD CONSTRAINT audit_records_pkey PRIMARY KEY (occurred_at, id) INCLUDE (
    action, outcome, actor_id, resource_type, http_method, http_route, http_status, client_ip
);

-- Ids hardly repeat across types, so this one answers with a type and without.
DROP INDEX audit_records_by_resource;
CREATE INDEX audit_records_by_resource ON audit_records (resource_id, occurred_at, id)
    WHERE resource_id IS NOT NULL;

-- What did not succeed is rare, and asked for first.
CREATE INDEX audit_records_by_failure ON audit_records (outcome, occurred_at, id)
    WHERE outcome <> 'success';

-- A request and a trace are looked for as they are, and hold few records: a hash costs half
-- of what a tree does.
CREATE INDEX audit_records_by_request ON audit_records USING hash (http_request_id)
    WHERE http_request_id IS NOT NULL;
CREATE INDEX audit_records_by_trace ON audit_records USING hash (http_trace_id)
    WHERE http_trace_id IS NOT NULL;

-- Followers read in the order of commits; see `postgres::commit_order`.
CREATE INDEX audit_records_by_commit ON audit_records (xact, id);

-- The payloads as people read them, for searching: all that stands in them, names too,
-- with escapes resolved, so that nothing hides behind `\u0061` or `\/`. It takes every
-- text of type `json`. What is no character by itself becomes a space: controls, and
-- halves of surrogate pairs.
--
-- Over this expression there can be a trigram index; docs/operating.md says when and how.
CREATE FUNCTION audit_payload_text(request json, response json, changes json, notes json) RETURNS text
LANGUAGE plpgsql
IMMUTABLE
PARALLEL SAFE
AS $$
DECLARE
    plain text := concat_ws(' ', request, response, changes, notes);
BEGIN
    IF strpos(plain, '\') = 0 THEN
        RETURN plain;
    END IF;
    -- In JSON a backslash begins an escape or is the second half of one, so pairs of them
    -- are told apart from left to right. A control character cannot stand in JSON, and so
    -- may stand for such a pair.
    plain := replace(plain, '\\', chr(1));
    plain := replace(replace(plain, '\/', '/'), '\"', '"');
    plain := regexp_replace(plain, '\\([bfnrt]|u00[01].|u[dD][89a-fA-F]..)', ' ', 'g');
    RETURN replace(unistr(plain), chr(1), '\');
END
$$;

-- As before, and partitions are vacuumed more often than after each fifth of their rows: an
-- index alone can answer only for pages that vacuum has seen, and those asked for most are
-- the newest. Records are never changed, so a vacuum reads no page twice.
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
            PERFORM audit_vacuum_often(partition);
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

CREATE FUNCTION audit_vacuum_often(partition text) RETURNS void
LANGUAGE plpgsql
AS $$
BEGIN
    EXECUTE format(
        'ALTER TABLE %I SET ('
        'autovacuum_vacuum_insert_threshold = 50000, autovacuum_vacuum_insert_scale_factor = 0, '
        'autovacuum_analyze_scale_factor = 0.02)', partition);
END
$$;

SELECT audit_vacuum_often(relname)
FROM pg_inherits
JOIN pg_class ON pg_class.oid = inhrelid
WHERE inhparent = 'audit_records'::regclass;

-- As with all functions before: names are looked up in the trail's own schema, and nobody
-- calls them but who must. What only computes is for everybody.
DO $$
DECLARE
    routine regprocedure;
BEGIN
    FOR routine IN
        SELECT pg_proc.oid FROM pg_proc
        JOIN pg_namespace ON pg_namespace.oid = pronamespace
        WHERE nspname = current_schema() AND proname IN ('audit_ensure_partitions', 'audit_vacuum_often')
    LOOP
        EXECUTE format('ALTER FUNCTION %s SET search_path = %I, pg_temp', routine, current_schema());
        EXECUTE format('REVOKE EXECUTE ON FUNCTION %s FROM PUBLIC', routine);
    END LOOP;
END
$$;
