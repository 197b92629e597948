-- $1 rows between $2 and $3, like those that are measured, but without payloads.
INSERT INTO PARTITION (
    id, schema, service, instance, seq, occurred_at, duration_us, action, outcome,
    actor_kind, actor_id, actor_roles, actor_auth, resource_type, resource_id,
    http_method, http_route, http_path, http_status, http_request_id,
    client_ip, client_peer, client_user_agent, changes, notes, redacted, truncated, digest
)
SELECT
    id, 1, 'bench', '7f0c4ad9c2f44a6c8a8f6b0d1f2e3a4b', number, occurred_at, 1234, 'create_item', 'success',
    'user', 'user-' || number % 100, '[]', 'jwt', 'item', id::text,
    'POST', '/items/', '/items/', 201, id::text,
    '192.0.2.7', '192.0.2.7', 'bench/1', '[]', '{}', '[]', '[]',
    '\x0000000000000000000000000000000000000000000000000000000000000000'
FROM (
    SELECT
        number, occurred_at,
        -- A UUIDv7 of the instant: RFC 9562, section 5.7.
        (
            lpad(to_hex(floor(extract(epoch FROM occurred_at) * 1000)::bigint), 12, '0')
            || '7' || substr(hash, 1, 3) || '8' || substr(hash, 5, 15)
        )::uuid AS id
    FROM (
        SELECT
            number, md5(number::text) AS hash,
            $2 + ($3 - $2) * ((number - 1)::double precision / $1) AS occurred_at
        FROM generate_series(1, $1) AS number
    ) AS instants
) AS rows
