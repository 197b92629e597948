use diesel::connection::SimpleConnection as _;
use proptest::prelude::*;

use super::*;
use crate::postgres::{Store, StoreSettings};
use crate::testing::TestDatabase;

proptest! {
    #[test]
    fn a_position_comes_back_as_what_it_was(system: u64, xact in 0..u64::MAX / 2, id: u128) {
        let row = RowPosition { xact, id: Uuid::from_u128(id) };
        let position = CommitPosition { system, row };
        prop_assert_eq!(position.to_string().parse(), Ok(position));
    }

    #[test]
    fn what_is_no_position_is_refused(text in "[-0-9a-f+ ]{0,60}") {
        if let Ok(position) = text.parse::<CommitPosition>() {
            prop_assert!(text.ends_with(&position.row.id.simple().to_string()));
        }
    }
}

#[test]
fn a_position_of_an_earlier_version_is_recognised() {
    let id = Uuid::nil().simple();
    let parse = |text: String| text.parse::<CommitPosition>().unwrap_err();
    assert_eq!(parse(format!("7-{id}")), PositionError::NoSystem);
    for text in [
        format!("-7-{id}"),
        format!("+000000000000001-7-{id}"),
        format!("1-7-{id}"),
    ] {
        assert_eq!(parse(text), PositionError::Malformed);
    }
}

/// A trail whose rows are inserted by the owner, who may also say which `xact` they have.
struct Trail {
    database: TestDatabase,
    connection: PgConnection,
    store: Store,
}

impl Trail {
    fn new() -> Self {
        let database = TestDatabase::migrated(None);
        Self {
            connection: database.connect(),
            store: Store::new(StoreSettings::new(database.url().to_owned())),
            database,
        }
    }

    /// Inserts a record whose transaction has the number `xact`, an SQL expression.
    fn insert(&mut self, xact: &str) -> RowPosition {
        let (xact, id) = diesel::dsl::sql::<(BigInt, SqlUuid)>(&format!(
            "INSERT INTO audit_records (id, schema, service, instance, seq, occurred_at, duration_us, action, \
                 outcome, actor_kind, actor_roles, changes, notes, redacted, truncated, digest, xact) \
             VALUES (gen_random_uuid(), 1, 's', 'i', 1, now(), 1, 'a', 'success', 'system', '[]', '[]', '{{}}', \
                 '[]', '[]', sha256(''), ({xact})::text::xid8) \
             RETURNING xact::text::bigint, id"
        ))
        .get_result::<(i64, Uuid)>(&mut self.connection)
        .unwrap();
        let row = RowPosition {
            xact: xact.cast_unsigned(),
            id,
        };
        self.burn_until(row.xact);
        row
    }

    fn insert_now(&mut self) -> RowPosition {
        self.insert("pg_current_xact_id()")
    }

    /// Uses transaction numbers until one is below the horizon, which tests beside this one
    /// may hold back.
    fn burn_until(&mut self, xact: u64) {
        while self.store.horizon().unwrap().xact() <= xact {
            self.connection
                .batch_execute("SELECT pg_current_xact_id()")
                .unwrap();
        }
    }

    /// Removes a record as a restored snapshot or a failover does: without a trace.
    fn lose(&mut self, row: RowPosition) {
        self.connection
            .batch_execute(&format!(
                "SET session_replication_role = replica; DELETE FROM audit_records WHERE id = '{}'; \
                 RESET session_replication_role",
                row.id
            ))
            .unwrap();
    }

    fn position(&self, row: RowPosition) -> CommitPosition {
        CommitPosition {
            row,
            ..self.store.begin_following(None).unwrap().unwrap()
        }
    }

    /// The records behind a position, or nothing if it is refused.
    fn behind(&self, position: CommitPosition) -> Option<Vec<RowPosition>> {
        let begun = self.store.begin_following(Some(position)).unwrap();
        match self
            .store
            .committed(&Filter::default(), position, 100)
            .unwrap()
        {
            Followed::Records(committed) => {
                assert_eq!(begun, Some(position));
                let rows = committed.records.iter().map(|(position, _)| position.row);
                Some(rows.collect())
            }
            Followed::Unknown => {
                assert_eq!(begun, None);
                None
            }
            Followed::NotReplayed => panic!("this is no standby"),
        }
    }
}

#[test]
fn a_position_is_good_as_long_as_its_record_is_there() {
    let mut trail = Trail::new();
    let rows = [trail.insert_now(), trail.insert_now(), trail.insert_now()];
    let start = trail.position(RowPosition::START);
    assert_eq!(trail.behind(start), Some(rows.to_vec()));
    let first = trail.position(rows[0]);
    assert_eq!(trail.behind(first), Some(rows[1..].to_vec()));
    assert_eq!(
        trail.store.begin_following(None).unwrap().unwrap().row,
        rows[2]
    );
}

#[test]
fn a_position_that_a_restored_server_has_overtaken_is_refused() {
    let mut trail = Trail::new();
    let kept = trail.insert_now();
    let lost = trail.insert_now();
    trail.lose(lost);
    // Numbers are given again after a restore, so the next record may have a higher or a
    // lower one than that which was lost.
    let next = trail.insert_now();
    let lost = trail.position(lost);
    assert_eq!(trail.behind(lost), None);
    let kept = trail.position(kept);
    assert_eq!(trail.behind(kept), Some(vec![next]));
}

#[test]
fn a_position_above_all_that_the_server_knows_is_refused() {
    let mut trail = Trail::new();
    let row = trail.insert_now();
    let above = trail.position(RowPosition {
        xact: row.xact + 1_000_000,
        ..row
    });
    assert_eq!(trail.behind(above), None);
}

#[test]
fn a_position_of_another_cluster_is_refused() {
    let mut trail = Trail::new();
    let row = trail.insert_now();
    for row in [row, RowPosition::START] {
        let mut position = trail.position(row);
        position.system ^= 1;
        assert_eq!(trail.behind(position), None);
    }
}

#[test]
fn rows_of_a_dump_are_not_new_when_their_numbers_are_reached() {
    let mut trail = Trail::new();
    let before = trail.insert_now();
    let dumped = trail.insert("pg_current_xact_id()::text::bigint + 100");
    let after = trail.insert_now();
    assert!(before < dumped && dumped < after);
    let before = trail.position(before);
    assert_eq!(trail.behind(before), Some(vec![after]));
    let dumped = trail.position(dumped);
    assert_eq!(trail.behind(dumped), None);
}

#[test]
fn rows_that_were_moved_to_another_partition_are_still_found() {
    let mut trail = Trail::new();
    let before = trail.insert_now();
    let number = before.xact.to_string();
    trail.burn_until(before.xact + 10);
    let moved = trail.insert(&format!("{number} + 1"));
    let start = trail.position(RowPosition::START);
    assert_eq!(trail.behind(start), Some(vec![before, moved]));
    let moved = trail.position(moved);
    assert_eq!(trail.behind(moved), Some(vec![]));
}

#[test]
fn rows_of_subtransactions_are_found() {
    let mut trail = Trail::new();
    trail
        .connection
        .batch_execute("BEGIN; SELECT pg_current_xact_id(); SAVEPOINT a")
        .unwrap();
    let insert = "INSERT INTO audit_records (id, schema, service, instance, seq, occurred_at, duration_us, action, \
                 outcome, actor_kind, actor_roles, changes, notes, redacted, truncated, digest) \
             VALUES (gen_random_uuid(), 1, 's', 'i', 1, now(), 1, 'a', 'success', 'system', '[]', '[]', '{}', \
                 '[]', '[]', sha256(''))";
    trail
        .connection
        .batch_execute(&format!("{insert}; COMMIT"))
        .unwrap();
    let last = trail.insert_now();
    let start = trail.position(RowPosition::START);
    let found = trail.behind(start).unwrap();
    assert_eq!((found.len(), found[1]), (2, last));
}

#[test]
fn a_standby_waits_for_what_it_has_not_replayed_and_refuses_what_never_was() {
    let mut trail = Trail::new();
    let row = trail.insert_now();
    let position = trail.position(row);
    in_one_snapshot(&mut trail.connection, |connection, snapshot| {
        let standby = Snapshot {
            is_standby: true,
            ..snapshot
        };
        let mut check = |row| standby.check(connection, CommitPosition { row, ..position });
        assert_eq!(check(row)?, Check::Known);
        let id = Uuid::max();
        assert_eq!(check(RowPosition { id, ..row })?, Check::Unknown);
        let xact = snapshot.horizon.xact();
        assert_eq!(check(RowPosition { xact, id })?, Check::NotReplayed);
        Ok(())
    })
    .unwrap();
}

#[test]
fn the_holder_of_the_horizon_is_found_in_other_databases_by_a_plain_role() {
    let trail = Trail::new();
    let elsewhere = TestDatabase::empty();
    let mut idle = elsewhere.connect();
    idle.batch_execute("SET application_name = 'forgotten'; BEGIN")
        .unwrap();
    let (xact, pid) = diesel::select(sql::<(BigInt, diesel::sql_types::Integer)>(
        "pg_current_xact_id()::text::bigint, pg_backend_pid()",
    ))
    .get_result::<(i64, i32)>(&mut idle)
    .unwrap();
    let xact = xact.cast_unsigned();
    let horizon = trail.store.horizon().unwrap();
    assert!(horizon.xact() <= xact);
    let holder = trail.store.holder(xact).unwrap().unwrap();
    assert_eq!(holder.pid, Some(pid));
    assert_eq!(holder.database.as_deref(), Some(elsewhere.name()));
    assert_eq!(holder.application.as_deref(), Some("forgotten"));

    let gid = elsewhere.name();
    let prepared = idle.batch_execute(&format!("PREPARE TRANSACTION '{gid}'"));
    if let Err(error) = prepared {
        // A server that a test run brings along may not allow it.
        assert!(
            error.to_string().contains("max_prepared_transactions"),
            "{error}"
        );
        return;
    }
    let holder = trail.store.holder(xact).unwrap().unwrap();
    assert_eq!((holder.pid, holder.gid.as_deref()), (None, Some(gid)));
    idle.batch_execute(&format!("ROLLBACK PREPARED '{gid}'"))
        .unwrap();
    assert_eq!(trail.store.holder(xact).unwrap(), None);
    drop(trail.database);
}
