-- Storing a batch, with the SQLSTATE of a failure as an answer.
--
-- Whether a failed insert is to be tried again, and when, depends on its
-- SQLSTATE, which not every client library passes on. So the batch is stored by
-- a function that catches the error and returns it. What cannot be caught, such
-- as a lost connection, has no need to be told apart.
--
-- JSON comes as text and is parsed in here, so that a failure to do so is caught
-- as well. The table's rules stay what they are: the function has its caller's
-- rights. Its parameters are called as the columns are.
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
    OUT failed_message text
)
LANGUAGE plpgsql
SET search_path FROM CURRENT
AS $$
BEGIN
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
EXCEPTION
    WHEN query_canceled OR OTHERS THEN
        failed_sqlstate := SQLSTATE;
        failed_message := SQLERRM;
END
$$;

REVOKE EXECUTE ON FUNCTION audit_insert_records FROM PUBLIC;

-- Records that Postgres refuses although it takes others: their bytes as they
-- came, and why. Nothing is ever removed from here by the service; a record that
-- was stored after all keeps its row, with the time.
CREATE TABLE audit_dead_letters (
    id          uuid        PRIMARY KEY,
    record      bytea       NOT NULL,
    sqlstate    text,
    message     text        NOT NULL,
    refused_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    requeued_at timestamptz
);

-- The same as before, and the rights to what is new.
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
        GRANT INSERT (id, record, sqlstate, message) ON audit_dead_letters TO audit_writer;
        GRANT EXECUTE ON FUNCTION audit_insert_records TO audit_writer;
    END IF;
    IF to_regrole('audit_reader') IS NOT NULL THEN
        GRANT SELECT ON audit_records TO audit_reader;
    END IF;
END
$$;


SELECT audit_prepare_roles();
