-- Success means that the row is there.
--
-- A BEFORE trigger that returns NULL discards a row without an error, and so does
-- ON CONFLICT DO NOTHING for any unique index, not only for the key. A conflict target
-- would need SELECT on the columns of the key. Instead, the functions that store records
-- look for those that were not stored, and fail if one of them is not present.

-- Returns those of the given records for which there is no row. It has the rights of the
-- owner, because whoever stores records may not read them; the answer contains nothing
-- that the caller did not send.
CREATE FUNCTION audit_missing_records(occurred_at timestamptz[], id uuid[]) RETURNS SETOF uuid
LANGUAGE sql
STABLE
SECURITY DEFINER
AS $$
    SELECT sent.id
    FROM UNNEST(audit_missing_records.occurred_at, audit_missing_records.id) AS sent (occurred_at, id)
    WHERE NOT EXISTS (
        SELECT FROM audit_records AS present
        WHERE present.occurred_at = sent.occurred_at AND present.id = sent.id
    )
$$;

CREATE OR REPLACE FUNCTION audit_insert_records(
    id uuid[],
    schema smallint[],
    service text[],
    instance text[],
    seq bigint[],
    occurred_at timestamptz[],
    duration_us bigint[],
    action text[],
    outcome text[],
    reason text[],
    actor_kind text[],
    actor_id text[],
    actor_roles text[],
    actor_auth text[],
    actor_credential text[],
    resource_type text[],
    resource_id text[],
    http_method text[],
    http_route text[],
    http_path text[],
    http_query text[],
    http_status smallint[],
    http_request_id text[],
    http_trace_id text[],
    client_ip inet[],
    client_peer inet[],
    client_user_agent text[],
    request text[],
    response text[],
    changes text[],
    notes text[],
    redacted text[],
    truncated text[],
    digest bytea[],
    OUT failed_sqlstate text,
    OUT failed_message text,
    OUT stored bigint
)
LANGUAGE plpgsql
AS $$
DECLARE
    missing uuid[];
    stored_again bigint;
BEGIN
    -- What is told to be stored is forgotten elsewhere, so its commit must be on the
    -- disk, whatever the connection is content with.
    IF current_setting('synchronous_commit') = 'off' THEN
        PERFORM set_config('synchronous_commit', 'on', true);
    END IF;
    INSERT INTO audit_records (
            id, schema, service, instance, seq, occurred_at, duration_us, action, outcome, reason, actor_kind,
            actor_id, actor_roles, actor_auth, actor_credential, resource_type, resource_id, http_method,
            http_route, http_path, http_query, http_status, http_request_id, http_trace_id, client_ip,
            client_peer, client_user_agent, request, response, changes, notes, redacted, truncated, digest
        )
        SELECT
            r.id, r.schema, r.service, r.instance, r.seq, r.occurred_at, r.duration_us, r.action, r.outcome,
            r.reason, r.actor_kind, r.actor_id, r.actor_roles::json, r.actor_auth, r.actor_credential,
            r.resource_type, r.resource_id, r.http_method, r.http_route, r.http_path, r.http_query,
            r.http_status, r.http_request_id, r.http_trace_id, r.client_ip, r.client_peer, r.client_user_agent,
            r.request::json, r.response::json, r.changes::json, r.notes::json, r.redacted::json,
            r.truncated::json, r.digest
        FROM UNNEST(
            id, schema, service, instance, seq, occurred_at, duration_us, action, outcome, reason, actor_kind,
            actor_id, actor_roles, actor_auth, actor_credential, resource_type, resource_id, http_method,
            http_route, http_path, http_query, http_status, http_request_id, http_trace_id, client_ip,
            client_peer, client_user_agent, request, response, changes, notes, redacted, truncated, digest
        ) AS r (
            id, schema, service, instance, seq, occurred_at, duration_us, action, outcome, reason, actor_kind,
            actor_id, actor_roles, actor_auth, actor_credential, resource_type, resource_id, http_method,
            http_route, http_path, http_query, http_status, http_request_id, http_trace_id, client_ip,
            client_peer, client_user_agent, request, response, changes, notes, redacted, truncated, digest
        )
        ON CONFLICT DO NOTHING;
    GET DIAGNOSTICS stored = ROW_COUNT;
    IF stored < cardinality(id) THEN
        -- Records that are present already may be on their way to a synchronous standby.
        -- A commit waits for the standby only if its transaction has written WAL.
        PERFORM pg_logical_emit_message(true, 'audit', '');
        missing := ARRAY(SELECT audit_missing_records(occurred_at, id));
        IF cardinality(missing) > 0 THEN
            -- Without ON CONFLICT, so that a unique index of somebody else's is named.
            INSERT INTO audit_records (
                    id, schema, service, instance, seq, occurred_at, duration_us, action, outcome, reason, actor_kind,
                    actor_id, actor_roles, actor_auth, actor_credential, resource_type, resource_id, http_method,
                    http_route, http_path, http_query, http_status, http_request_id, http_trace_id, client_ip,
                    client_peer, client_user_agent, request, response, changes, notes, redacted, truncated, digest
                )
                SELECT
                    r.id, r.schema, r.service, r.instance, r.seq, r.occurred_at, r.duration_us, r.action, r.outcome,
                    r.reason, r.actor_kind, r.actor_id, r.actor_roles::json, r.actor_auth, r.actor_credential,
                    r.resource_type, r.resource_id, r.http_method, r.http_route, r.http_path, r.http_query,
                    r.http_status, r.http_request_id, r.http_trace_id, r.client_ip, r.client_peer, r.client_user_agent,
                    r.request::json, r.response::json, r.changes::json, r.notes::json, r.redacted::json,
                    r.truncated::json, r.digest
                FROM UNNEST(
                    id, schema, service, instance, seq, occurred_at, duration_us, action, outcome, reason, actor_kind,
                    actor_id, actor_roles, actor_auth, actor_credential, resource_type, resource_id, http_method,
                    http_route, http_path, http_query, http_status, http_request_id, http_trace_id, client_ip,
                    client_peer, client_user_agent, request, response, changes, notes, redacted, truncated, digest
                ) AS r (
                    id, schema, service, instance, seq, occurred_at, duration_us, action, outcome, reason, actor_kind,
                    actor_id, actor_roles, actor_auth, actor_credential, resource_type, resource_id, http_method,
                    http_route, http_path, http_query, http_status, http_request_id, http_trace_id, client_ip,
                    client_peer, client_user_agent, request, response, changes, notes, redacted, truncated, digest
                )
                WHERE r.id = ANY (missing);
            GET DIAGNOSTICS stored_again = ROW_COUNT;
            stored := stored + stored_again;
            IF stored_again < cardinality(missing) THEN
                RAISE EXCEPTION USING
                    ERRCODE = 'triggered_action_exception',
                    MESSAGE = 'Postgres reported success and the row is not there: a trigger of audit_records discards it';
            END IF;
        END IF;
    END IF;
EXCEPTION
    WHEN query_canceled OR OTHERS THEN
        failed_sqlstate := SQLSTATE;
        failed_message := SQLERRM;
END
$$;

CREATE OR REPLACE FUNCTION audit_insert_record(
    id uuid,
    schema smallint,
    service text,
    instance text,
    seq bigint,
    occurred_at timestamptz,
    duration_us bigint,
    action text,
    outcome text,
    reason text,
    actor_kind text,
    actor_id text,
    actor_roles text,
    actor_auth text,
    actor_credential text,
    resource_type text,
    resource_id text,
    http_method text,
    http_route text,
    http_path text,
    http_query text,
    http_status smallint,
    http_request_id text,
    http_trace_id text,
    client_ip inet,
    client_peer inet,
    client_user_agent text,
    request text,
    response text,
    changes text,
    notes text,
    redacted text,
    truncated text,
    digest bytea,
    OUT stored bigint
)
LANGUAGE plpgsql
AS $$
BEGIN
    -- What is told to be stored is forgotten elsewhere, so its commit must be on the
    -- disk, whatever the connection is content with.
    IF current_setting('synchronous_commit') = 'off' THEN
        PERFORM set_config('synchronous_commit', 'on', true);
    END IF;
    INSERT INTO audit_records (
            id, schema, service, instance, seq, occurred_at, duration_us, action, outcome, reason,
            actor_kind, actor_id, actor_roles, actor_auth, actor_credential, resource_type, resource_id,
            http_method, http_route, http_path, http_query, http_status, http_request_id, http_trace_id,
            client_ip, client_peer, client_user_agent, request, response, changes, notes, redacted,
            truncated, digest
        )
        VALUES (
            id, schema, service, instance, seq, occurred_at, duration_us, action, outcome, reason,
            actor_kind, actor_id, actor_roles::json, actor_auth, actor_credential, resource_type,
            resource_id, http_method, http_route, http_path, http_query, http_status, http_request_id,
            http_trace_id, client_ip, client_peer, client_user_agent, request::json, response::json,
            changes::json, notes::json, redacted::json, truncated::json, digest
        )
        ON CONFLICT DO NOTHING;
    GET DIAGNOSTICS stored = ROW_COUNT;
    IF stored = 0 AND EXISTS (SELECT FROM audit_missing_records(ARRAY[occurred_at], ARRAY[id])) THEN
        INSERT INTO audit_records (
                id, schema, service, instance, seq, occurred_at, duration_us, action, outcome, reason,
                actor_kind, actor_id, actor_roles, actor_auth, actor_credential, resource_type, resource_id,
                http_method, http_route, http_path, http_query, http_status, http_request_id, http_trace_id,
                client_ip, client_peer, client_user_agent, request, response, changes, notes, redacted,
                truncated, digest
            )
            VALUES (
                id, schema, service, instance, seq, occurred_at, duration_us, action, outcome, reason,
                actor_kind, actor_id, actor_roles::json, actor_auth, actor_credential, resource_type,
                resource_id, http_method, http_route, http_path, http_query, http_status, http_request_id,
                http_trace_id, client_ip, client_peer, client_user_agent, request::json, response::json,
                changes::json, notes::json, redacted::json, truncated::json, digest
            );
        GET DIAGNOSTICS stored = ROW_COUNT;
        IF stored = 0 THEN
            RAISE EXCEPTION USING
                ERRCODE = 'triggered_action_exception',
                MESSAGE = 'Postgres reported success and the row is not there: a trigger of audit_records discards it';
        END IF;
    END IF;
END
$$;

CREATE OR REPLACE FUNCTION audit_grant_insert(grantee text) RETURNS void
LANGUAGE plpgsql
SET search_path FROM CURRENT
AS $$
BEGIN
    EXECUTE format('GRANT USAGE ON SCHEMA %I TO %I', current_schema(), grantee);
    EXECUTE format(
        'GRANT INSERT ('
        'id, schema, service, instance, seq, occurred_at, duration_us, action, outcome, reason, '
        'actor_kind, actor_id, actor_roles, actor_auth, actor_credential, '
        'resource_type, resource_id, '
        'http_method, http_route, http_path, http_query, http_status, http_request_id, http_trace_id, '
        'client_ip, client_peer, client_user_agent, '
        'request, response, changes, notes, redacted, truncated, digest'
        ') ON audit_records TO %I', grantee);
    EXECUTE format('GRANT EXECUTE ON FUNCTION audit_insert_records, audit_insert_record, audit_missing_records TO %I', grantee);
END
$$;

-- A replaced function loses its search path.
DO $$
DECLARE
    routine regprocedure;
BEGIN
    FOR routine IN
        SELECT pg_proc.oid FROM pg_proc
        JOIN pg_namespace ON pg_namespace.oid = pronamespace
        WHERE nspname = current_schema() AND proname IN ('audit_missing_records', 'audit_insert_records', 'audit_insert_record', 'audit_grant_insert')
    LOOP
        EXECUTE format('ALTER FUNCTION %s SET search_path = %I, pg_temp', routine, current_schema());
        EXECUTE format('REVOKE EXECUTE ON FUNCTION %s FROM PUBLIC', routine);
    END LOOP;
END
$$;

-- Every role that could store records before can do so in this way too.
DO $$
DECLARE
    grantee text;
BEGIN
    FOR grantee IN
        SELECT rolname FROM pg_proc
        JOIN pg_namespace ON pg_namespace.oid = pronamespace
        CROSS JOIN LATERAL aclexplode(proacl) AS granted
        JOIN pg_roles ON pg_roles.oid = granted.grantee
        WHERE nspname = current_schema() AND proname = 'audit_insert_records'
            AND privilege_type = 'EXECUTE' AND granted.grantee <> proowner
    LOOP
        EXECUTE format('GRANT EXECUTE ON FUNCTION audit_missing_records TO %I', grantee);
    END LOOP;
END
$$;
