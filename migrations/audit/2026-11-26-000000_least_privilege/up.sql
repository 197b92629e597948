-- What each role may do, and nothing beside it.
--
-- The owner is whoever runs the migrations. The service's own login can be another
-- one then, that owns nothing and may only become the roles below.

-- As before, with two doors shut. The table that is looked for is the one in the
-- trail's own schema: a temporary one of the same name, which anybody may make,
-- would have passed for the month's partition. And the bounds are written as ISO
-- has them, whatever the caller's session prefers.
CREATE OR REPLACE FUNCTION audit_ensure_partitions(reference timestamptz, months_ahead integer) RETURNS integer
LANGUAGE plpgsql
SET search_path FROM CURRENT
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

-- What keeps records flowing at the month's end without the owner: the service may
-- ask for the partitions of the next months, and for nothing else. It takes no
-- arguments, so there is nothing to ask too much of.
CREATE FUNCTION audit_keep_partitions_ahead(OUT created integer, OUT default_is_occupied boolean)
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path FROM CURRENT
AS $$
BEGIN
    created := audit_ensure_partitions(now(), 3);
    default_is_occupied := EXISTS (SELECT FROM audit_records_default);
END
$$;

-- Makes a role that nobody logs in as, if it is not there, and lets the owner become
-- it where that is possible. Roles belong to the whole cluster, so another database may
-- have made it already, or an administrator, where the owner may not. Returns
-- whether there is such a role.
CREATE FUNCTION audit_ensure_role(role_name text) RETURNS boolean
LANGUAGE plpgsql
SET search_path FROM CURRENT
AS $$
BEGIN
    IF to_regrole(quote_ident(role_name)) IS NULL THEN
        BEGIN
            EXECUTE format('CREATE ROLE %I NOLOGIN', role_name);
        EXCEPTION
            WHEN duplicate_object OR unique_violation THEN NULL;
            WHEN insufficient_privilege THEN
                RAISE WARNING 'no right to create role %: create it as a superuser, then run the migrations again', role_name;
                RETURN false;
        END;
    END IF;
    BEGIN
        EXECUTE format('SET LOCAL ROLE %I', role_name);
        RESET ROLE;
    EXCEPTION WHEN insufficient_privilege OR invalid_parameter_value THEN
        BEGIN
            EXECUTE format('GRANT %I TO CURRENT_USER', role_name);
        EXCEPTION WHEN insufficient_privilege OR undefined_object THEN
            -- It need not, where the service has a login of its own. Where it has not,
            -- the service tells.
            NULL;
        END;
    END;
    RETURN true;
END
$$;

-- Lets a role store records, for instance in transactions of a service's own: to
-- insert every column but `recorded_at` and `xact`, which are Postgres' to say.
CREATE FUNCTION audit_grant_insert(grantee text) RETURNS void
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

-- The roles of the trail itself. Called at every start of the owner, so that a role
-- that could not be made before gets its rights once somebody has made it.
CREATE OR REPLACE FUNCTION audit_prepare_roles() RETURNS void
LANGUAGE plpgsql
SET search_path FROM CURRENT
AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('audit_prepare_roles'));
    -- Until PostgreSQL 14, everybody could create objects in `public`, and so put
    -- their own in the way of others.
    IF has_schema_privilege('public', current_schema(), 'CREATE') THEN
        BEGIN
            EXECUTE format('REVOKE CREATE ON SCHEMA %I FROM PUBLIC', current_schema());
        EXCEPTION WHEN insufficient_privilege THEN
            RAISE WARNING 'everybody may create objects in schema %: its owner should revoke that from PUBLIC', current_schema();
        END;
    END IF;

    IF audit_ensure_role('audit_writer') THEN
        PERFORM audit_grant_insert('audit_writer');
        GRANT INSERT (id, record, sqlstate, message) ON audit_dead_letters TO audit_writer;
        GRANT EXECUTE ON FUNCTION audit_keep_partitions_ahead TO audit_writer;
        -- A service that may not migrate can still see that it should have been.
        IF to_regclass('__diesel_schema_migrations') IS NOT NULL THEN
            GRANT SELECT ON __diesel_schema_migrations TO audit_writer;
        END IF;
    END IF;
    IF audit_ensure_role('audit_reader') THEN
        EXECUTE format('GRANT USAGE ON SCHEMA %I TO audit_reader', current_schema());
        GRANT SELECT ON audit_records TO audit_reader;
    END IF;
END
$$;

-- Every function looks names up in the trail's own schema and, last, among temporary
-- objects. Postgres would look among those first otherwise, and a temporary table
-- called `audit_records` would have caught the records of its session. None is for
-- everybody to call.
DO $$
DECLARE
    routine regprocedure;
BEGIN
    FOR routine IN
        SELECT pg_proc.oid FROM pg_proc
        JOIN pg_namespace ON pg_namespace.oid = pronamespace
        WHERE nspname = current_schema() AND proname IN (
            'audit_ensure_partitions', 'audit_ensure_role', 'audit_grant_insert', 'audit_insert_records',
            'audit_keep_partitions_ahead', 'audit_prepare_roles', 'audit_refuse_change'
        )
    LOOP
        EXECUTE format('ALTER FUNCTION %s SET search_path = %I, pg_temp', routine, current_schema());
        EXECUTE format('REVOKE EXECUTE ON FUNCTION %s FROM PUBLIC', routine);
    END LOOP;
END
$$;

SELECT audit_prepare_roles();
