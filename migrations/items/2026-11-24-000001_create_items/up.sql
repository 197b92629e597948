-- Attributes are free-form JSON that the service only keeps and returns, so
-- `json` it is: the text comes back as it was sent.
CREATE TABLE items (
    id          uuid        PRIMARY KEY,
    name        text        NOT NULL,
    description text,
    price       numeric,
    attributes  json        NOT NULL,
    owner       text        NOT NULL,
    created_at  timestamptz NOT NULL,
    updated_at  timestamptz NOT NULL
);

-- Lists are pages in order of creation, newest first.
CREATE INDEX items_by_creation ON items (created_at, id);
