//! The few messages of PostgreSQL's protocol that creating a database takes.
//!
//! The client programs are not always installed beside the server, and linking
//! libpq for one statement would force it on every user of this crate.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

/// The longest message that is accepted; the answers here are tiny.
const LONGEST_MESSAGE: usize = 1 << 20;

/// A session with a server that trusts whoever reaches its socket.
pub(crate) struct Session {
    stream: UnixStream,
}

/// What a statement came to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// It was carried out and returned this many rows.
    Rows(usize),
    /// It was refused, for the reason with this SQLSTATE.
    Refused { code: String, message: String },
}

impl Session {
    /// Connects to the socket, as `user`, to `database`.
    pub(crate) fn connect(
        socket: &Path,
        user: &str,
        database: &str,
        limit: Duration,
    ) -> io::Result<Self> {
        let stream = UnixStream::connect(socket)?;
        stream.set_read_timeout(Some(limit))?;
        stream.set_write_timeout(Some(limit))?;
        let mut session = Self { stream };

        // Version 3.0 of the protocol, then pairs of strings that end with 0.
        let mut body = 196_608_u32.to_be_bytes().to_vec();
        for part in ["user", user, "database", database] {
            body.extend_from_slice(part.as_bytes());
            body.push(0);
        }
        body.push(0);
        session.send(None, &body)?;

        loop {
            match session.receive()? {
                (b'R', body) if body.starts_with(&[0, 0, 0, 0]) => {}
                (b'R', _) => return Err(io::Error::other("the server asks for a password")),
                (b'E', body) => return Err(io::Error::other(field(&body, b'M'))),
                (b'Z', _) => return Ok(session),
                // Parameters of the session and the key to cancel it with.
                _ => {}
            }
        }
    }

    /// Carries out one statement.
    pub(crate) fn run(&mut self, statement: &str) -> io::Result<Answer> {
        let mut body = statement.as_bytes().to_vec();
        body.push(0);
        self.send(Some(b'Q'), &body)?;
        let mut answer = Answer::Rows(0);
        loop {
            match (self.receive()?, &mut answer) {
                ((b'D', _), Answer::Rows(rows)) => *rows += 1,
                ((b'E', body), _) => {
                    answer = Answer::Refused {
                        code: field(&body, b'C'),
                        message: field(&body, b'M'),
                    };
                }
                ((b'Z', _), _) => return Ok(answer),
                _ => {}
            }
        }
    }

    fn send(&mut self, kind: Option<u8>, body: &[u8]) -> io::Result<()> {
        let length = u32::try_from(body.len() + 4)
            .map_err(|_| io::Error::other("the statement is too long"))?;
        let mut message = Vec::with_capacity(body.len() + 5);
        message.extend(kind);
        message.extend_from_slice(&length.to_be_bytes());
        message.extend_from_slice(body);
        self.stream.write_all(&message)
    }

    fn receive(&mut self) -> io::Result<(u8, Vec<u8>)> {
        let mut kind = [0_u8; 1];
        self.stream.read_exact(&mut kind)?;
        let mut length = [0_u8; 4];
        self.stream.read_exact(&mut length)?;
        let length = usize::try_from(u32::from_be_bytes(length))
            .ok()
            .and_then(|length| length.checked_sub(4))
            .filter(|length| *length <= LONGEST_MESSAGE)
            .ok_or_else(|| io::Error::other("the answer is not PostgreSQL's"))?;
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body)?;
        let [kind] = kind;
        Ok((kind, body))
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // A goodbye keeps "unexpected EOF" out of the log; the server notices
        // the closed socket without it as well.
        let _unimportant = self.send(Some(b'X'), &[]);
    }
}

/// One field of an error message, which is a list of a letter and a string.
fn field(body: &[u8], wanted: u8) -> String {
    body.split(|byte| *byte == 0)
        .find_map(|entry| match entry.split_first() {
            Some((letter, text)) if *letter == wanted => {
                Some(String::from_utf8_lossy(text).into_owned())
            }
            _ => None,
        })
        .unwrap_or_default()
}
