//! A real PostgreSQL of one's own: found on the machine or fetched, started on
//! a unix socket, stopped with its owner.
//!
//! A service that needs a database should start with one command, and its tests
//! should run against what production runs against. This crate gives both of
//! them PostgreSQL itself, with no container, no port and no password.
//!
//! ```no_run
//! use private_postgres::{Binaries, Durability, PrivatePostgres, Settings};
//!
//! let cache = "target/postgres".as_ref();
//! let binaries = Binaries::find_or_install(cache, &mut |step| eprintln!("{step}"))?;
//! let server = PrivatePostgres::start(
//!     &binaries,
//!     Settings {
//!         data_dir: "data/postgres".into(),
//!         durability: Durability::Full,
//!         max_connections: 50,
//!     },
//! )?;
//! server.ensure_database("items")?;
//! let url = server.database_url("items");
//! // … connect to `url`, serve, and in the end:
//! server.stop()?;
//! # Ok::<(), private_postgres::Error>(())
//! ```
//!
//! # The server ends with its owner
//!
//! ```text
//! owner ──pipe──▶ supervisor (/bin/sh) ──SIGINT──▶ postgres
//! ```
//!
//! Nobody can be relied on to stop a server: an owner may panic, exit or be
//! killed. So a small shell script stands in between and waits on a pipe that
//! the kernel closes when the owner is gone, in whichever way. It then shuts
//! the server down. As long as the owner lives, it starts a server that has
//! died again, after one second at first and after up to thirty later on.
//!
//! Both run in a process group of their own: Ctrl-C in a terminal reaches the
//! owner alone, which can finish its work before the database goes away. Under
//! systemd, `KillMode=mixed` gives the same.
//!
//! # One owner at a time
//!
//! A data folder has one owner. A second one, in this process or another, gets
//! [`Error::InUse`] after three seconds; it is not attached to the first one's
//! server, which would vanish under it without notice. Whoever else wants to
//! connect is given [`PrivatePostgres::database_url`], or finds the server by
//! [`RunningPostgres::find`] and has to live with its end.
//!
//! The lock is held by the server's processes as well. After a `kill -9` of the
//! owner the next one waits until the old server has ended, and stops it itself
//! if its supervisor was killed too. Whoever holds the lock therefore knows
//! that a `postmaster.pid` in the folder is a leftover. `initdb` works under
//! another name that is changed at the end, so a folder is complete or absent.
//!
//! # As root
//!
//! PostgreSQL refuses to run as root. An owner that is root lends it the user
//! `postgres`, or else `nobody`, and gives that user the data folder. When the
//! user cannot get there, because the folder is under `/root` for example, the
//! data are kept under `/var/lib/private-postgres` or `/var/tmp`, which a
//! warning tells and [`PrivatePostgres::data_dir`] returns. A test that runs as
//! root should make a temporary folder the data folder itself, or leave the
//! folders above it open to everybody.
//!
//! # Who may connect
//!
//! Whoever can enter the socket's folder, as the superuser: that is the user
//! the server runs as, and root. There is no port. A socket's path has to be
//! short; when the one inside the data folder is too long, the socket is in a
//! folder of the same rights under `XDG_RUNTIME_DIR` or `/tmp`.
//!
//! # What it does not do
//!
//! It does not upgrade data to another major version: it looks for the programs
//! of the version that made them, and else says what to do. It runs where there
//! are unix sockets, so not on Windows.

mod account;
mod binaries;
mod cluster;
mod command;
mod error;
mod home;
mod install;
mod running;
mod server;
mod socket;
mod wire;

pub use binaries::Binaries;
pub use error::Error;
pub use home::private_folder;
pub use running::RunningPostgres;
pub use server::{Durability, PrivatePostgres, Settings};
