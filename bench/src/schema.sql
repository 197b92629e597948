-- What the handlers work on, the same for all who are compared.
CREATE TABLE bench_items (
    id         uuid PRIMARY KEY,
    name       text NOT NULL,
    attributes text NOT NULL,
    owner      text
);

-- Where the service in Python keeps its records.
CREATE TABLE reference_audit (
    id          uuid PRIMARY KEY,
    actor       text NOT NULL,
    action      text NOT NULL,
    occurred_at timestamptz NOT NULL,
    endpoint    text NOT NULL,
    payload     json NOT NULL,
    recorded_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX reference_audit_by_actor ON reference_audit (actor, occurred_at);
CREATE INDEX reference_audit_by_time ON reference_audit (occurred_at);
