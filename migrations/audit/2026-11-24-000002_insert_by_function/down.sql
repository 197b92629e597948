DROP FUNCTION audit_insert_records;
DROP TABLE audit_dead_letters;

CREATE OR REPLACE FUNCTION audit_prepare_roles() RETURNS void
LANGUAGE plpgsql
SET search_path FROM CURRENT
AS $$
DECLARE
    role_name text;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('audit_prepare_roles'));
    FOREACH role_name IN ARRAY ARRAY['audit_writer', 'audit_reader'] LOOP
        BEGIN
            EXECUTE format('CREATE ROLE %I NOLOGIN', role_name);
        EXCEPTION
            WHEN duplicate_object OR unique_violation THEN NULL;
            WHEN insufficient_privilege THEN
                RAISE WARNING 'no right to create role %: create it as a superuser, then run the migrations again', role_name;
                CONTINUE;
        END;
        BEGIN
            EXECUTE format('SET LOCAL ROLE %I', role_name);
            RESET ROLE;
        EXCEPTION WHEN insufficient_privilege OR invalid_parameter_value THEN
            BEGIN
                EXECUTE format('GRANT %I TO CURRENT_USER', role_name);
            EXCEPTION WHEN insufficient_privilege OR undefined_object THEN
                RAISE WARNING 'no right to become role %: grant it to %', role_name, current_user;
            END;
        END;
        EXECUTE format('GRANT USAGE ON SCHEMA %I TO %I', current_schema(), role_name);
    END LOOP;

    IF to_regrole('audit_writer') IS NOT NULL THEN
        -- Every column but `recorded_at` and `xact`, which are Postgres' to say.
        GRANT INSERT (
            id, schema, service, instance, seq, occurred_at, duration_us, action, outcome, reason,
            actor_kind, actor_id, actor_roles, actor_auth, actor_credential,
            resource_type, resource_id,
            http_method, http_route, http_path, http_query, http_status, http_request_id, http_trace_id,
            client_ip, client_peer, client_user_agent,
            request, response, changes, notes, redacted, truncated, digest
        ) ON audit_records TO audit_writer;
    END IF;
    IF to_regrole('audit_reader') IS NOT NULL THEN
        GRANT SELECT ON audit_records TO audit_reader;
    END IF;
END
$$;
