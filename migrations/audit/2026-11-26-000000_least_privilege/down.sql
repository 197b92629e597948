-- The roles stay, and so does what was revoked from everybody.
DO $$
BEGIN
    IF to_regrole('audit_writer') IS NOT NULL AND to_regclass('__diesel_schema_migrations') IS NOT NULL THEN
        REVOKE SELECT ON __diesel_schema_migrations FROM audit_writer;
    END IF;
END
$$;

DROP FUNCTION audit_keep_partitions_ahead();
DROP FUNCTION audit_ensure_role(text);
DROP FUNCTION audit_grant_insert(text);

CREATE OR REPLACE FUNCTION audit_ensure_partitions(reference timestamptz, months_ahead integer) RETURNS integer
LANGUAGE plpgsql
SET search_path FROM CURRENT
SET timezone TO 'UTC'
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
        CONTINUE WHEN to_regclass(quote_ident(partition)) IS NOT NULL;

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
