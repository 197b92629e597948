-- The audit trail: one row for one record, append-only, in monthly partitions.
--
-- The payload columns are `json`, never `jsonb`: `json` keeps the text as it
-- came, so a row read back gives the very bytes that `digest` was taken over.

CREATE TABLE audit_records (
    id                uuid        NOT NULL,
    schema            smallint    NOT NULL,
    service           text        NOT NULL,
    instance          text        NOT NULL,
    seq               bigint      NOT NULL,
    occurred_at       timestamptz NOT NULL,
    duration_us       bigint      NOT NULL,
    action            text        COLLATE "C" NOT NULL,
    outcome           text        NOT NULL,
    reason            text,
    actor_kind        text        NOT NULL,
    actor_id          text,
    actor_roles       json        NOT NULL,
    actor_auth        text,
    actor_credential  text,
    resource_type     text,
    resource_id       text,
    http_method       text,
    http_route        text,
    http_path         text,
    http_query        text,
    http_status       smallint,
    http_request_id   text,
    http_trace_id     text,
    client_ip         inet,
    client_peer       inet,
    client_user_agent text,
    request           json,
    response          json,
    changes           json        NOT NULL,
    notes             json        NOT NULL,
    redacted          json        NOT NULL,
    truncated         json        NOT NULL,
    digest            bytea       NOT NULL,
    recorded_at       timestamptz NOT NULL DEFAULT clock_timestamp(),
    xact              xid8        NOT NULL DEFAULT pg_current_xact_id(),

    -- The key is fixed at capture, so a batch whose commit was in doubt can be
    -- sent again and lands at most once.
    PRIMARY KEY (occurred_at, id),
    CONSTRAINT audit_records_digest_is_sha256 CHECK (octet_length(digest) = 32),
    CONSTRAINT audit_records_outcome_is_known CHECK (
        outcome IN ('success', 'rejected', 'denied', 'failed', 'aborted', 'unknown')
    )
) PARTITION BY RANGE (occurred_at);

-- One index for each question an auditor starts from; the key of the page
-- (occurred_at, id) comes last, so that every page is one index range.
CREATE INDEX audit_records_by_actor ON audit_records (actor_id, occurred_at, id);
CREATE INDEX audit_records_by_action ON audit_records (action, occurred_at, id);
CREATE INDEX audit_records_by_resource ON audit_records (resource_type, resource_id, occurred_at, id);

-- Append-only, for everybody who has not first dropped the trigger itself.
CREATE FUNCTION audit_refuse_change() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'audit records are append-only: % on % is refused', TG_OP, TG_TABLE_NAME
        USING ERRCODE = 'insufficient_privilege',
              HINT = 'Old records leave through retention, which drops whole partitions.';
END
$$;

CREATE TRIGGER audit_records_append_only
    BEFORE UPDATE OR DELETE ON audit_records
    FOR EACH ROW EXECUTE FUNCTION audit_refuse_change();

CREATE TRIGGER audit_records_no_truncate
    BEFORE TRUNCATE ON audit_records
    FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse_change();

-- Rows outside every month land here instead of being refused. It should stay
-- empty: the service warns when it is not.
CREATE TABLE audit_records_default PARTITION OF audit_records DEFAULT;

CREATE TRIGGER audit_records_no_truncate
    BEFORE TRUNCATE ON audit_records_default
    FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse_change();

-- Creates the partitions from the month before `reference` (records delayed by
-- an outage) to `months_ahead` after it, and returns how many were missing.
--
-- A partition is built first and attached second: ATTACH lets reads and writes
-- of the other partitions go on, which CREATE TABLE … PARTITION OF does not.
-- A month whose rows already stand in the default partition cannot be attached;
-- it is left out with a warning, and its rows stay where they are.
CREATE FUNCTION audit_ensure_partitions(reference timestamptz, months_ahead integer) RETURNS integer
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

SELECT audit_ensure_partitions(now(), 3);

-- Two roles, so that the service's own connections can do the least they need.
-- Roles belong to the whole cluster, so another database may have made them
-- already; and a managed Postgres may not let us make them at all, in which
-- case the service says at start that it writes with its owner's rights. A
-- function, so that every start can try again once somebody has made them.
CREATE FUNCTION audit_prepare_roles() RETURNS void
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

SELECT audit_prepare_roles();
