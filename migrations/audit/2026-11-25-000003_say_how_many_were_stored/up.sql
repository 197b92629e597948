-- The same as before, and how many records were not there already.
--
-- A record in a handler's own transaction must be stored by that transaction: if
-- its key is taken, the attempt was told to have ended in another way, and the
-- transaction has to be undone.
DROP FUNCTION audit_insert_records;

CREATE FUNCTION audit_insert_records(
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
SET search_path FROM CURRENT
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

REVOKE EXECUTE ON FUNCTION audit_insert_records FROM PUBLIC;

SELECT audit_prepare_roles();
