//! The binary format of `COPY`, as far as records need it.
//!
//! It stands in the manual of Postgres under [COPY], "Binary Format"; what a value looks
//! like, in the `send` and `recv` functions of its type. All numbers are big-endian.
//!
//! [COPY]: https://www.postgresql.org/docs/current/sql-copy.html

use std::net::IpAddr;

use chrono::{DateTime, Utc};
use ipnet::IpNet;
use uuid::Uuid;

/// The signature, no flags, and nothing that extends the header.
pub(super) const HEADER: &[u8; 19] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";
/// Stands where the number of the next row's columns would: -1.
pub(super) const TRAILER: [u8; 2] = (-1_i16).to_be_bytes();
/// Stands in the place of a length.
const NULL: [u8; 4] = (-1_i32).to_be_bytes();
/// When the time of Postgres begins, in that of Unix: with the year 2000.
const POSTGRES_EPOCH_US: i64 = 946_684_800_000_000;
/// The families of addresses, in Postgres' own numbers.
const INET: u8 = 2;
const INET6: u8 = 3;
/// An `inet`, and not a `cidr`.
const IS_NO_CIDR: u8 = 0;

/// A value of a column.
pub(super) trait Field {
    /// Appends the value, behind its length.
    fn write(&self, out: &mut Vec<u8>);
}

impl<T: Field> Field for Option<T> {
    fn write(&self, out: &mut Vec<u8>) {
        match self {
            Some(value) => value.write(out),
            None => out.extend_from_slice(&NULL),
        }
    }
}

impl Field for &[u8] {
    fn write(&self, out: &mut Vec<u8>) {
        // Postgres has no larger values, and refuses one that is said to be so large.
        let length = i32::try_from(self.len()).unwrap_or(i32::MAX);
        out.extend_from_slice(&length.to_be_bytes());
        out.extend_from_slice(self);
    }
}

impl<const LENGTH: usize> Field for [u8; LENGTH] {
    fn write(&self, out: &mut Vec<u8>) {
        self.as_slice().write(out);
    }
}

/// For `text` and for `json`, which are sent alike.
impl Field for &str {
    fn write(&self, out: &mut Vec<u8>) {
        self.as_bytes().write(out);
    }
}

impl Field for i16 {
    fn write(&self, out: &mut Vec<u8>) {
        self.to_be_bytes().write(out);
    }
}

impl Field for i64 {
    fn write(&self, out: &mut Vec<u8>) {
        self.to_be_bytes().write(out);
    }
}

impl Field for Uuid {
    fn write(&self, out: &mut Vec<u8>) {
        self.as_bytes().write(out);
    }
}

impl Field for DateTime<Utc> {
    fn write(&self, out: &mut Vec<u8>) {
        (self.timestamp_micros() - POSTGRES_EPOCH_US).write(out);
    }
}

impl Field for IpNet {
    fn write(&self, out: &mut Vec<u8>) {
        let bits = self.prefix_len();
        match self.addr() {
            IpAddr::V4(address) => {
                let [a, b, c, d] = address.octets();
                [INET, bits, IS_NO_CIDR, 4, a, b, c, d].write(out);
            }
            IpAddr::V6(address) => {
                let mut value = [0; 20];
                let (head, octets) = value.split_at_mut(4);
                head.copy_from_slice(&[INET6, bits, IS_NO_CIDR, 16]);
                octets.copy_from_slice(&address.octets());
                value.write(out);
            }
        }
    }
}
