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

-- Has partitions vacuumed more often than after each fifth of their rows: an index alone
-- can answer only for pages that vacuum has seen, and those asked for most are the newest.
-- Records are never changed, so a vacuum reads no page twice. Those that were told
-- otherwise by somebody stay as they are.
CREATE FUNCTION audit_vacuum_often() RETURNS void
LANGUAGE plpgsql
AS $$
DECLARE
    partition regclass;
BEGIN
    FOR partition IN
        SELECT pg_class.oid FROM pg_inherits
        JOIN pg_class ON pg_class.oid = inhrelid
        WHERE inhparent = 'audit_records'::regclass AND reloptions IS NULL
    LOOP
        EXECUTE format(
            'ALTER TABLE %s SET ('
            'autovacuum_vacuum_insert_threshold = 50000, autovacuum_vacuum_insert_scale_factor = 0, '
            'autovacuum_analyze_scale_factor = 0.02)', partition);
    END LOOP;
END
$$;

-- As before, for new partitions too.
CREATE OR REPLACE FUNCTION audit_keep_partitions_ahead(OUT created integer, OUT default_is_occupied boolean)
LANGUAGE plpgsql
SECURITY DEFINER
AS $$
BEGIN
    created := audit_ensure_partitions(now(), 3);
    PERFORM audit_vacuum_often();
    default_is_occupied := EXISTS (SELECT FROM audit_records_default);
END
$$;

-- As with all functions before: names are looked up in the trail's own schema, and nobody
-- calls them but who must. What only computes is for everybody.
DO $$
BEGIN
    EXECUTE format('ALTER FUNCTION audit_vacuum_often() SET search_path = %I, pg_temp', current_schema());
    EXECUTE format('ALTER FUNCTION audit_keep_partitions_ahead() SET search_path = %I, pg_temp', current_schema());
END
$$;
REVOKE EXECUTE ON FUNCTION audit_vacuum_often() FROM PUBLIC;

SELECT audit_vacuum_often();
