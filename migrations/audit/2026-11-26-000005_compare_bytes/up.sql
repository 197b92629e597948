-- What records are found by is compared byte by byte, as actions always were, whatever the
-- language of the database. Nobody reads these in an alphabet's order; without one an insert
-- takes a fifth less time, and an index outlives the next version of the operating system,
-- which may bring another order of letters. Only the indexes are made anew, not the table.
--
-- The index of request ids is made anew below.
DROP INDEX audit_records_by_request;
ALTER TABLE audit_records
    ALTER COLUMN outcome         TYPE text COLLATE "C",
    ALTER COLUMN actor_id        TYPE text COLLATE "C",
    ALTER COLUMN resource_id     TYPE text COLLATE "C",
    ALTER COLUMN http_request_id TYPE text COLLATE "C",
    ALTER COLUMN http_trace_id   TYPE text COLLATE "C";

-- Ids that are made here begin with the time, and with 0 until the year 2527: a tree of
-- them grows at its end, however many there are. Others are mostly random, for which a
-- hash costs less. Once memory does not hold it, every record reads a page of it, and
-- after a checkpoint writes a whole one to the log; so the ids that can be are kept out of it.
--
-- A query finds its index only by `=` with one value; see `postgres::filter`. ADR 33 has the
-- figures.
CREATE INDEX audit_records_by_request_in_order ON audit_records (http_request_id)
    WHERE http_request_id >= '0' AND http_request_id < '1';
CREATE INDEX audit_records_by_request ON audit_records USING hash (http_request_id)
    WHERE http_request_id < '0' OR http_request_id >= '1';

-- A changed column has lost what was known of its values.
ANALYZE audit_records;
