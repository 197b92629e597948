DROP FUNCTION audit_missing_records;

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
    EXECUTE format('GRANT EXECUTE ON FUNCTION audit_insert_records, audit_insert_record TO %I', grantee);
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
        WHERE nspname = current_schema() AND proname IN ('audit_insert_records', 'audit_insert_record', 'audit_grant_insert')
    LOOP
        EXECUTE format('ALTER FUNCTION %s SET search_path = %I, pg_temp', routine, current_schema());
        EXECUTE format('REVOKE EXECUTE ON FUNCTION %s FROM PUBLIC', routine);
    END LOOP;
END
$$;
