#!/bin/sh
# Prepares the database when its volume is new: a login that owns it and runs the
# migrations, and one for the service that owns nothing and may only become the roles
# that it needs. The roles are made here, because the owner may make none.
set -eu

psql --quiet --set=ON_ERROR_STOP=1 --username="$POSTGRES_USER" --dbname="$POSTGRES_DB" \
    --set=owner_password="$ITEMS_OWNER_PASSWORD" --set=service_password="$ITEMS_SERVICE_PASSWORD" <<'SQL'
CREATE ROLE audit_writer NOLOGIN;
CREATE ROLE audit_reader NOLOGIN;
CREATE ROLE items_editor NOLOGIN;
CREATE ROLE items_owner LOGIN PASSWORD :'owner_password';
CREATE ROLE items_service LOGIN NOINHERIT PASSWORD :'service_password';
GRANT audit_writer, audit_reader, items_editor TO items_service;
SELECT format('ALTER DATABASE %I OWNER TO items_owner', current_database()) \gexec
ALTER SCHEMA public OWNER TO items_owner;
SQL
