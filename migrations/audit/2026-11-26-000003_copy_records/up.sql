-- COPY stores rows in groups only where no default of the table may differ from row to
-- row, as `clock_timestamp()` does. When the statement came is as good: the records of a
-- batch are committed together, whatever each of them says. It holds for all partitions,
-- and for those to come, which are made like the table.
ALTER TABLE audit_records ALTER COLUMN recorded_at SET DEFAULT statement_timestamp();
