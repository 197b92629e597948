//! Records in the handler's own transaction.
//!
//! The record is inserted last, so that it tells all that was said until then, and
//! in the same transaction as the change: both are committed or neither is. What
//! else may happen is settled by the key, which the intent, this record and
//! whatever is told through the journal have in common:
//!
//! - The process dies before the commit: the change is undone, and the intent is
//!   delivered as `unknown`.
//! - It dies after the commit: Postgres passes over the intent.
//! - The commit is in doubt, because the connection broke: the handler fails, and
//!   its record goes through the journal. Postgres passes over it if the commit
//!   was made after all.
//! - The client goes away meanwhile: either the record of that comes first, and
//!   the insert finds its key taken, which undoes the change; or the change is
//!   committed, and Postgres passes over the record of the client.

use diesel::connection::{Connection as _, TransactionManager};
use diesel::pg::PgConnection;
use diesel::result::Error as DieselError;

use super::attempt::overrule;
use super::known::{Committed, End, Stage};
use super::scope::AuditScope;
use crate::journal::{Durability, fault_point};
use crate::postgres::insert_within;
use crate::record::Outcome;

/// Why a transaction was undone although the handler's work succeeded.
#[derive(Debug, thiserror::Error)]
pub enum TransactionError {
    /// One attempt has one record.
    #[error(
        "the attempt has committed a transaction already: put all changes of one attempt into one transaction"
    )]
    AlreadyCommitted,
    /// The client went away and that was told, or another thread was first.
    #[error("the attempt has ended meanwhile, so its change was undone")]
    Ended,
    /// The record cannot be written.
    #[error("the audit record cannot be serialised: {0}")]
    Unserialisable(#[from] serde_json::Error),
}

impl From<TransactionError> for DieselError {
    fn from(error: TransactionError) -> Self {
        Self::QueryBuilderError(Box::new(error))
    }
}

impl AuditScope {
    /// Runs `work` in a transaction that holds the attempt's record as well: both
    /// are committed, or neither is.
    ///
    /// That is so for attempts of `durability = "transaction"`. For all others it
    /// is a plain transaction, and the record follows through the journal. If
    /// `work` fails, its changes are undone and the attempt is recorded as what the
    /// handler makes of the error.
    ///
    /// The record is complete when `work` returns: what is said to the scope
    /// afterwards is not in it, and neither is the response. Its outcome is
    /// [`Outcome::Success`] unless the scope was told otherwise, and its status the
    /// one that [`AuditScope::status`] was told.
    ///
    /// ```
    /// use audit::AuditScope;
    /// use diesel::pg::PgConnection;
    /// use diesel::prelude::*;
    ///
    /// fn pay(scope: &AuditScope, connection: &mut PgConnection) -> QueryResult<usize> {
    ///     scope.transaction(connection, |connection| {
    ///         diesel::sql_query("UPDATE accounts SET balance = balance - 1").execute(connection)
    ///     })
    /// }
    /// ```
    ///
    /// The connection must lead to the database of the audit trail, and its role
    /// needs what `SELECT audit_grant_insert('role')` gives it, called by the owner of
    /// the trail's tables. It may come from any pool.
    ///
    /// # Errors
    ///
    /// What `work` returns; or Diesel's error, if the record or the commit fails.
    /// [`DieselError::AlreadyInTransaction`] means that there is a transaction
    /// around this one, which could undo a record that is told as committed; a
    /// [`TransactionError`] within [`DieselError::QueryBuilderError`], what it says.
    pub fn transaction<T, E>(
        &self,
        connection: &mut PgConnection,
        work: impl FnOnce(&mut PgConnection) -> Result<T, E>,
    ) -> Result<T, E>
    where
        E: From<DieselError>,
    {
        let known = &self.known;
        let mut changes = ToldChanges::of(self);
        if known.durability != Durability::Transaction {
            let result = connection.transaction(work)?;
            changes.were_made();
            return Ok(result);
        }
        if known.audit.has_store() && is_in_transaction(connection)? {
            return Err(DieselError::AlreadyInTransaction.into());
        }
        let (result, committed) = connection.transaction(|connection| {
            let result = work(connection)?;
            let inserted = self.insert(connection)?;
            fault_point("inserted");
            Ok::<_, E>((result, inserted))
        })?;
        fault_point("committed");
        changes.were_made();
        known.lock().stage.commit(committed);
        Ok(result)
    }

    /// Inserts the record of a success, and gives its bytes.
    fn insert(&self, connection: &mut PgConnection) -> Result<Committed, DieselError> {
        let known = &self.known;
        let state = known.lock();
        match state.stage {
            Stage::UnderWay => {}
            Stage::Committed(_) => return Err(TransactionError::AlreadyCommitted.into()),
            Stage::Ended => return Err(TransactionError::Ended.into()),
        }
        let mut end = End::with(Outcome::Success, None);
        end.status = state.said.status;
        overrule(&state, &mut end);
        let outcome = end.outcome;
        let record = known.record(&state, end);
        drop(state);
        let bytes = known
            .audit
            .frame(record)
            .map_err(TransactionError::Unserialisable)?;
        if known.audit.has_store() && !insert_within(connection, &bytes)? {
            return Err(TransactionError::Ended.into());
        }
        Ok(Committed {
            record: bytes,
            outcome,
        })
    }
}

/// Changes that are told within a transaction. If it comes to nothing, be it by a
/// panic, they are forgotten, so that none is told that was not made.
struct ToldChanges<'s> {
    scope: &'s AuditScope,
    told_before: usize,
    were_made: bool,
}

impl<'s> ToldChanges<'s> {
    fn of(scope: &'s AuditScope) -> Self {
        Self {
            scope,
            told_before: scope.known.lock().said.changes.len(),
            were_made: false,
        }
    }

    fn were_made(&mut self) {
        self.were_made = true;
    }
}

impl Drop for ToldChanges<'_> {
    fn drop(&mut self) {
        if !self.were_made {
            self.scope
                .known
                .lock()
                .said
                .forget_changes(self.told_before);
        }
    }
}

fn is_in_transaction(connection: &mut PgConnection) -> Result<bool, DieselError> {
    type Manager = <PgConnection as diesel::Connection>::TransactionManager;
    let status = Manager::transaction_manager_status_mut(connection);
    Ok(status.transaction_depth()?.is_some())
}
