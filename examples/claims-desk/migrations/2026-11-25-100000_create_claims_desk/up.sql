-- A key is random enough that its plain SHA-256 gives nothing away.
CREATE TABLE api_keys (
    id         uuid        PRIMARY KEY,
    hash       bytea       NOT NULL UNIQUE CHECK (length(hash) = 32),
    holder     text        NOT NULL,
    role       text        NOT NULL CHECK (role IN ('customer', 'adjuster', 'auditor')),
    created_at timestamptz NOT NULL DEFAULT now()
);

-- A claim is a draft until there is evidence for it.
CREATE TABLE claims (
    id           uuid        PRIMARY KEY,
    customer     text        NOT NULL,
    policy       text        NOT NULL,
    tax_number   text        NOT NULL,
    iban         text        NOT NULL,
    email        text        NOT NULL,
    amount_cents bigint      NOT NULL CHECK (amount_cents > 0),
    description  text        NOT NULL,
    status       text        NOT NULL CHECK (status IN ('draft', 'filed', 'approved', 'rejected', 'expired')),
    reason       text,
    created_at   timestamptz NOT NULL
);

CREATE INDEX claims_by_email ON claims (email);
CREATE INDEX drafts_by_age ON claims (created_at) WHERE status = 'draft';

-- The files themselves are in the data folder, under these ids.
CREATE TABLE evidence (
    id         uuid        PRIMARY KEY,
    claim_id   uuid        NOT NULL REFERENCES claims,
    media_type text        NOT NULL,
    bytes      bigint      NOT NULL,
    sha256     text        NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);
