-- What made-up records are made of: words, phrases, attributes and actions, in a schema
-- of their own and numbered, so that a random number finds one.

CREATE SCHEMA made_up;

SELECT setseed(0.42);

-- 4,000 words of two or three syllables; a few are set, so that they can be asked for.
CREATE UNLOGGED TABLE made_up.words AS
SELECT
    number,
    CASE number
        WHEN 1 THEN 'red' WHEN 2 THEN 'steel' WHEN 3 THEN 'kettle' WHEN 30 THEN 'apple' WHEN 3000 THEN 'walrus'
        ELSE
            syllables[1 + number % 20] || syllables[1 + number / 20 % 20]
            || CASE WHEN number % 3 = 0 THEN syllables[1 + number / 7 % 20] ELSE '' END
            || endings[1 + number / 400 % 10]
    END AS word
FROM
    generate_series(1, 4000) AS number,
    (SELECT
        ARRAY[
            'ba', 'ke', 'li', 'mo', 'nu', 'ra', 'se', 'ti', 'vo', 'zu',
            'cha', 'dre', 'fle', 'gri', 'plo', 'sha', 'sto', 'tru', 'wen', 'yar'
        ] AS syllables,
        ARRAY['n', 'r', 'l', 's', 't', 'm', 'x', 'nd', 'st', 'ck'] AS endings
    ) AS parts;

CREATE UNIQUE INDEX ON made_up.words (number);

-- Texts of 4 to 54 words. The n-th word comes up 1/n as often as the first, as in
-- natural languages (Zipf's law): exp(uniform × ln 4000) has that distribution.
CREATE UNLOGGED TABLE made_up.phrases AS
SELECT phrase_number, string_agg(word, ' ') AS phrase, left(string_agg(word, ' '), 24) AS phrase_name
FROM (
    SELECT phrase_number, floor(exp(random() * ln(4000)))::integer AS number
    FROM
        (SELECT phrase_number, (4 + floor(50 * random() ^ 2.5))::integer AS words FROM generate_series(0, 199999) AS phrase_number) AS lengths,
        generate_series(1, words)
) AS drawn
JOIN made_up.words USING (number)
GROUP BY phrase_number;

CREATE UNLOGGED TABLE made_up.attributes AS
SELECT
    attribute_number,
    format(
        '{"colour":"%s","size":"%s","watts":%s,"supplier":{"code":"SUP-%s","country":"%s","rating":%s},"tags":["%s","%s"],"in_stock":%s}',
        (ARRAY['red', 'blue', 'green', 'black', 'white', 'silver', 'orange', 'violet', 'brown', 'grey', 'pink', 'teal'])[1 + floor(12 * random() ^ 2)::integer],
        (ARRAY['XS', 'S', 'M', 'L', 'XL'])[1 + floor(5 * random())::integer],
        50 * floor(40 * random()),
        lpad(floor(exp(random() * ln(3000)))::text, 4, '0'),
        (ARRAY['DE', 'FR', 'NO', 'NL', 'PL', 'ES'])[1 + floor(6 * random() ^ 2)::integer],
        round((5 * random())::numeric, 1),
        (SELECT word FROM made_up.words WHERE number = 1 + attribute_number * 7 % 4000),
        (SELECT word FROM made_up.words WHERE number = 1 + attribute_number * 13 % 400),
        (random() < 0.8)::text
    ) AS attribute
FROM generate_series(0, 19999) AS attribute_number;

-- Twenty actions, as often as they have slots among a thousand. `kind` says what their
-- records look like.
CREATE UNLOGGED TABLE made_up.actions AS
SELECT generate_series(first_slot, next_slot - 1) AS slot, action, method, route, resource_type, kind
FROM (VALUES
    (0, 250, 'create_item', 'POST', '/items/', 'item', 'create'),
    (250, 550, 'patch_item', 'PATCH', '/items/{item_id}', 'item', 'change'),
    (550, 620, 'replace_item', 'PUT', '/items/{item_id}', 'item', 'change'),
    (620, 680, 'delete_item', 'DELETE', '/items/{item_id}', 'item', 'delete'),
    (680, 800, 'read_audit_records', 'GET', '/audit/records', 'audit_record', 'list'),
    (800, 850, 'read_audit_record', 'GET', '/audit/records/{id}', 'audit_record', 'read'),
    (850, 870, 'read_audit_stats', 'GET', '/audit/stats', 'audit_record', 'list'),
    (870, 873, 'export_audit_records', 'GET', '/audit/export', 'audit_record', 'list'),
    (873, 876, 'stream_audit_records', 'GET', '/audit/stream', 'audit_record', 'list'),
    (876, 936, 'sign_in', 'POST', '/session', 'session', 'other'),
    (936, 956, 'sign_out', 'DELETE', '/session', 'session', 'other'),
    (956, 971, 'create_order', 'POST', '/orders/', 'order', 'create'),
    (971, 981, 'patch_order', 'PATCH', '/orders/{order_id}', 'order', 'change'),
    (981, 986, 'cancel_order', 'POST', '/orders/{order_id}/cancel', 'order', 'delete'),
    (986, 990, 'create_user', 'POST', '/users/', 'user', 'create'),
    (990, 994, 'patch_user', 'PATCH', '/users/{user_id}', 'user', 'change'),
    (994, 996, 'delete_user', 'DELETE', '/users/{user_id}', 'user', 'delete'),
    (996, 998, 'grant_role', 'PUT', '/users/{user_id}/roles', 'user', 'change'),
    (998, 999, 'rotate_key', 'POST', '/keys/rotate', 'key', 'other'),
    (999, 1000, 'purge_records', 'POST', '/audit/retention', 'audit_record', 'other')
) AS actions (first_slot, next_slot, action, method, route, resource_type, kind);

ANALYZE made_up.words, made_up.phrases, made_up.attributes, made_up.actions;
