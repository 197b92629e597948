-- The role of the service's own statements: it may do what items need, store a record
-- beside them, and nothing else. It cannot read the trail, nor change whose an item is.
--
-- A function, so that the owner can call it again once somebody has made a role that
-- could not be made before.
CREATE FUNCTION items_prepare_role() RETURNS void
LANGUAGE plpgsql
SET search_path FROM CURRENT
AS $$
BEGIN
    IF audit_ensure_role('items_editor') THEN
        PERFORM audit_grant_insert('items_editor');
        GRANT SELECT, INSERT, DELETE ON items TO items_editor;
        GRANT UPDATE (name, description, price, attributes, updated_at) ON items TO items_editor;
    END IF;
END
$$;

DO $$
BEGIN
    EXECUTE format('ALTER FUNCTION items_prepare_role() SET search_path = %I, pg_temp', current_schema());
END
$$;

REVOKE EXECUTE ON FUNCTION items_prepare_role FROM PUBLIC;

SELECT items_prepare_role();
