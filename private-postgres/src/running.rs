//! A server that runs for another owner.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use crate::cluster;
use crate::command::GLANCE;
use crate::error::{Error, cannot};
use crate::home;
use crate::server::{SUPERUSER, address};

/// How long a server that its owner is just starting or stopping is waited for.
const PATIENCE: Duration = Duration::from_secs(60);

/// A server that another [`PrivatePostgres`](crate::PrivatePostgres) owns, in this
/// process or another one. It ends when that one does, whatever is connected to it: this
/// is for commands that can be run again.
///
/// ```no_run
/// use std::path::Path;
/// use private_postgres::RunningPostgres;
///
/// if let Some(server) = RunningPostgres::find(Path::new("data/postgres"))? {
///     println!("{}", server.database_url("items"));
/// }
/// # Ok::<(), private_postgres::Error>(())
/// ```
#[derive(Debug)]
pub struct RunningPostgres {
    socket_folder: PathBuf,
}

impl RunningPostgres {
    /// The server on this folder, if somebody owns one. One that is just being started is
    /// waited for, and one that is just being stopped is none. Nothing is made or changed.
    ///
    /// # Errors
    ///
    /// When the folder is closed to this user, its server does not get ready, or its socket
    /// is not its own.
    pub fn find(data_dir: &Path) -> Result<Option<Self>, Error> {
        for home in home::places(data_dir) {
            if let Some(found) = Self::in_folder(&home)? {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    fn in_folder(home: &Path) -> Result<Option<Self>, Error> {
        let cluster = home::cluster_in(home);
        let deadline = Instant::now() + PATIENCE;
        while let Some(owner) = home::owner(home)? {
            if cluster::is_ready(&cluster)
                && cluster::server_process(&cluster).is_some()
                && let Some(socket_folder) = cluster::socket_folder(&cluster)
            {
                check(&cluster, &socket_folder)?;
                return Ok(Some(Self { socket_folder }));
            }
            if Instant::now() >= deadline {
                return Err(Error::InUse {
                    folder: home.to_owned(),
                    owner,
                });
            }
            thread::sleep(GLANCE);
        }
        Ok(None)
    }

    /// The address of a database on this server, as the superuser.
    #[must_use]
    pub fn database_url(&self, database: &str) -> String {
        self.database_url_as(database, SUPERUSER)
    }

    /// The same for another login, which somebody has made.
    #[must_use]
    pub fn database_url_as(&self, database: &str, login: &str) -> String {
        address(&self.socket_folder, database, login)
    }
}

/// Whether the socket is that of the server's user alone. Everybody can make a folder under
/// `/tmp`, and so catch whoever connects there.
fn check(cluster: &Path, socket_folder: &Path) -> Result<(), Error> {
    let server = fs::metadata(cluster).map_err(cannot("look at", cluster))?;
    let found = fs::symlink_metadata(socket_folder).map_err(cannot("look at", socket_folder))?;
    if found.is_dir() && found.uid() == server.uid() && found.mode() & 0o077 == 0 {
        return Ok(());
    }
    Err(Error::UnsafeSocketFolder {
        path: socket_folder.to_owned(),
    })
}
