DROP FUNCTION audit_insert_record;

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
    EXECUTE format('GRANT EXECUTE ON FUNCTION audit_insert_records TO %I', grantee);
END
$$;

-- What is replaced forgets where it looks names up.
DO $$
DECLARE
    routine regprocedure;
BEGIN
    FOR routine IN
        SELECT pg_proc.oid FROM pg_proc
        JOIN pg_namespace ON pg_namespace.oid = pronamespace
        WHERE nspname = current_schema() AND proname IN ('audit_grant_insert')
    LOOP
        EXECUTE format('ALTER FUNCTION %s SET search_path = %I, pg_temp', routine, current_schema());
        EXECUTE format('REVOKE EXECUTE ON FUNCTION %s FROM PUBLIC', routine);
    END LOOP;
END
$$;
