//! The user that the server runs as.
//!
//! PostgreSQL refuses to run as root, because a superuser of the database can
//! run programs. An owner that is root therefore lends the server another user.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::command::run;

/// A user and group that is not root, for an owner that is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Account {
    pub(crate) name: String,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
}

impl Account {
    /// The account the server has to run as, or nothing when it can run as the
    /// owner itself.
    ///
    /// A cluster that exists keeps its user. It may have been made by a normal
    /// user before root came along, and PostgreSQL opens only its own files.
    pub(crate) fn needed(cluster: &Path) -> Option<Self> {
        if !rustix::process::geteuid().is_root() {
            return None;
        }
        let users = fs::read_to_string("/etc/passwd").unwrap_or_default();
        if let Ok(found) = fs::metadata(cluster)
            && found.uid() != 0
        {
            return Some(Self {
                name: name_of(&users, found.uid()),
                uid: found.uid(),
                gid: found.gid(),
            });
        }
        let chosen = ["postgres", "nobody"]
            .into_iter()
            .find_map(|name| named(&users, name));
        Some(chosen.unwrap_or_else(|| Self {
            name: "nobody".to_owned(),
            uid: 65534,
            gid: 65534,
        }))
    }

    /// Whether this user can reach and use a path, judged by the kernel: modes
    /// alone do not tell, with access lists and mounts in play.
    pub(crate) fn can(&self, ability: Ability, path: &Path) -> bool {
        let mut command = command_as(Some(self), Path::new("/bin/sh"));
        command
            .arg("-c")
            .arg(match ability {
                Ability::Enter => r#"test -d "$1" && test -x "$1""#,
                Ability::Execute => r#"test -f "$1" && test -x "$1""#,
            })
            .arg("sh")
            .arg(path);
        run(command, Duration::from_secs(10)).is_ok_and(|finished| finished.status.success())
    }
}

/// What a user may be able to do with a path.
#[derive(Clone, Copy)]
pub(crate) enum Ability {
    /// Walk through the folder.
    Enter,
    /// Run the program.
    Execute,
}

/// A program to be run as `account`, with nothing of the owner's environment.
///
/// The owner's environment may hold its keys and passwords, which the server
/// has no use for, and `PG…` variables that would change where it looks.
pub(crate) fn command_as(account: Option<&Account>, program: &Path) -> Command {
    let mut command = Command::new(program);
    command.env_clear().env("LC_ALL", "C");
    for name in ["PATH", "HOME", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH"] {
        if let Some(value) = std::env::var_os(name) {
            command.env(name, value);
        }
    }
    // The owner's own folder may be closed to the server's user.
    command.current_dir("/").stdin(Stdio::null());
    if let Some(account) = account {
        command.uid(account.uid).gid(account.gid);
    }
    command
}

fn named(users: &str, wanted: &str) -> Option<Account> {
    entries(users).find(|account| account.name == wanted && account.uid != 0)
}

fn name_of(users: &str, uid: u32) -> String {
    entries(users)
        .find(|account| account.uid == uid)
        .map_or_else(|| uid.to_string(), |account| account.name)
}

/// The lines of a passwd file, `name:password:uid:gid:…`.
fn entries(users: &str) -> impl Iterator<Item = Account> {
    users.lines().filter_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?.to_owned();
        let uid = fields.nth(1)?.parse().ok()?;
        let gid = fields.next()?.parse().ok()?;
        Some(Account { name, uid, gid })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const USERS: &str = "root:x:0:0:root:/root:/bin/bash\n# a comment\n\
        nobody:*:-2:-2:Unprivileged:/var/empty:/usr/bin/false\n\
        postgres:x:101:104::/var/lib/postgresql:/bin/bash\n";

    #[test]
    fn a_user_is_found_by_name_and_by_number() {
        let postgres = named(USERS, "postgres").unwrap();
        assert_eq!((postgres.uid, postgres.gid), (101, 104));
        assert_eq!(name_of(USERS, 101), "postgres");
        assert_eq!(name_of(USERS, 7), "7");
    }

    #[test]
    fn root_and_unreadable_lines_are_never_chosen() {
        assert_eq!(named(USERS, "root"), None);
        assert_eq!(named(USERS, "nobody"), None);
    }
}
