ALTER TABLE audit_records ALTER COLUMN recorded_at SET DEFAULT clock_timestamp();
