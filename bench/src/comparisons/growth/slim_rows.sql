-- $1 rows between $2 and $3, with what every row must have and nothing else.
INSERT INTO PARTITION (
    id, schema, service, instance, seq, occurred_at, duration_us, action, outcome,
    actor_kind, actor_roles, changes, notes, redacted, truncated, digest
)
SELECT
    gen_random_uuid(), 1, 'bench', '', number, $2 + ($3 - $2) * ((number - 1)::double precision / $1), 1234,
    'a', 'success', 'user', '[]', '[]', '{}', '[]', '[]',
    '\x0000000000000000000000000000000000000000000000000000000000000000'
FROM generate_series(1, $1) AS number
