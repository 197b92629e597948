-- The role stays: other databases of the same cluster may use it.
DROP FUNCTION items_prepare_role();

DO $$
BEGIN
    IF to_regrole('items_editor') IS NOT NULL THEN
        REVOKE ALL ON items FROM items_editor;
        REVOKE ALL ON audit_records FROM items_editor;
        REVOKE EXECUTE ON FUNCTION audit_insert_records FROM items_editor;
    END IF;
END
$$;
