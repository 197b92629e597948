-- Records $1 to $2 of $3, spread over the $4 days before $5, with more of them by day
-- than by night. Actors, items and outcomes are skewed as they are in life; each record
-- keeps the rules of a captured one, but for its digest.
INSERT INTO audit_records (
    id, schema, service, instance, seq, occurred_at, duration_us, action, outcome, reason,
    actor_kind, actor_id, actor_roles, actor_auth,
    resource_type, resource_id,
    http_method, http_route, http_path, http_query, http_status, http_request_id, http_trace_id,
    client_ip, client_peer, client_user_agent,
    request, changes, notes, redacted, truncated, digest
)
SELECT
    -- A UUIDv7 of the instant: RFC 9562, section 5.7.
    (lpad(to_hex(floor(extract(epoch FROM occurred_at) * 1000)::bigint), 12, '0') || '7' || substr(hash, 1, 3) || '8' || substr(hash, 5, 15))::uuid,
    1, 'items-api', md5('instance ' || number % 3), number / 3 + 1, occurred_at,
    (800 + 300000 * random() ^ 8)::bigint, action, outcome,
    CASE outcome
        WHEN 'rejected' THEN 'not_found' WHEN 'denied' THEN 'forbidden' WHEN 'failed' THEN 'internal_error'
        WHEN 'aborted' THEN 'client_went_away' WHEN 'unknown' THEN 'process_died'
    END,
    CASE WHEN actor IS NULL THEN 'anonymous' ELSE 'user' END, actor,
    CASE WHEN actor IS NULL THEN '[]' WHEN kind IN ('list', 'read') THEN '["auditor"]' ELSE '["user"]' END::json,
    CASE WHEN actor IS NOT NULL THEN 'jwt' END,
    resource_type, CASE WHEN kind NOT IN ('list', 'other') THEN resource END,
    method, route, CASE WHEN kind IN ('change', 'delete', 'read') THEN regexp_replace(route, '\{.*\}', resource) ELSE route END,
    CASE WHEN kind = 'list' THEN 'limit=50&actor=' || coalesce(actor, 'nobody') END,
    CASE outcome
        WHEN 'success' THEN CASE kind WHEN 'create' THEN 201 WHEN 'delete' THEN 204 ELSE 200 END
        WHEN 'rejected' THEN (ARRAY[404, 404, 409, 422, 400])[1 + number % 5]
        WHEN 'denied' THEN (ARRAY[403, 401])[1 + number % 2]
        WHEN 'failed' THEN (ARRAY[500, 503])[1 + number % 2]
    END,
    md5('request ' || number)::uuid::text, CASE WHEN number % 10 < 6 THEN md5('trace ' || number / 2) END,
    address, address, format('Mozilla/5.0 (X11; Linux x86_64; rv:%s.0) Gecko/20100101 Firefox/%1$s.0', browser),
    CASE
        WHEN kind = 'create' THEN format(
            '{"name":"%s","description":"%s","price":"%s","sku":"SKU-%s","attributes":%s}',
            phrase_name, phrase, price, number, attribute
        )
        WHEN kind = 'change' AND number % 3 = 0 THEN format('{"price":"%s","attributes":%s}', price, attribute)
        WHEN kind = 'change' AND number % 3 = 1 THEN format('{"description":"%s","attributes":%s}', phrase, attribute)
        WHEN kind = 'change' THEN format('{"name":"%s","price":"%s","description":"%s"}', phrase_name, price, phrase)
    END::json,
    CASE
        WHEN kind = 'change' AND outcome = 'success' THEN format(
            '[{"path":"/price","old":"%s","new":"%s"},{"path":"/name","old":"%s","new":"%3$s, new"}]', price, price + 1, phrase_name
        )
        ELSE '[]'
    END::json,
    CASE WHEN number % 40 = 0 THEN '{"batch":"nightly"}' ELSE '{}' END::json, '[]', '[]', decode(hash || hash, 'hex')
FROM (
    SELECT
        drawn.*, action, method, route, resource_type, kind,
        phrase, phrase_name, attribute,
        md5('resource ' || resource_number)::uuid::text AS resource,
        CASE WHEN chance NOT BETWEEN 0.96 AND 0.97 THEN 'user-' || lpad(actor_number::text, 5, '0') END AS actor,
        CASE
            WHEN chance < 0.92 THEN 'success' WHEN chance < 0.96 THEN 'rejected' WHEN chance < 0.99 THEN 'denied'
            WHEN chance < 0.998 THEN 'failed' WHEN chance < 0.9995 THEN 'aborted' ELSE 'unknown'
        END AS outcome,
        format('10.%s.%s.%s', actor_number / 250, actor_number % 250, 1 + number % 3)::inet AS address
    FROM (
        SELECT
            number, md5(number::text) AS hash,
            -- A wave of a day's length, flat enough that time never runs backwards.
            $5 + make_interval(secs => $4 * 86400 * (number::double precision / $3 - 1)
                + 8000 * sin(2 * pi() * $4 * (number::double precision / $3 - 1))) AS occurred_at,
            floor(1000 * random())::integer AS slot,
            floor(200000 * random())::integer AS phrase_number,
            floor(20000 * random())::integer AS attribute_number,
            floor(exp(random() * ln(5001)))::integer AS actor_number,
            floor(2000000 * random() ^ 2)::integer AS resource_number,
            100 + floor(30 * random() ^ 3)::integer AS browser,
            random() AS chance,
            round((500 * random())::numeric, 2) AS price
        FROM generate_series($1, $2) AS number
        -- Drawn once for each record, and not once for each use.
        OFFSET 0
    ) AS drawn
    JOIN made_up.actions USING (slot)
    JOIN made_up.phrases USING (phrase_number)
    JOIN made_up.attributes USING (attribute_number)
) AS records
