DROP INDEX audit_records_by_request;
DROP INDEX audit_records_by_request_in_order;
ALTER TABLE audit_records
    ALTER COLUMN outcome         TYPE text COLLATE "default",
    ALTER COLUMN actor_id        TYPE text COLLATE "default",
    ALTER COLUMN resource_id     TYPE text COLLATE "default",
    ALTER COLUMN http_request_id TYPE text COLLATE "default",
    ALTER COLUMN http_trace_id   TYPE text COLLATE "default";
CREATE INDEX audit_records_by_request ON audit_records USING hash (http_request_id)
    WHERE http_request_id IS NOT NULL;
ANALYZE audit_records;
