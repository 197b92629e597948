//! Where a request came from, as far as that can be known.
//!
//! The other end of the connection is certain. What a header says of anybody before
//! that was written by whoever sent it, so it counts as far as those who wrote it are
//! trusted, and no further. The header is therefore read from its right end: each
//! proxy appends the address that it saw, so the last entry is the nearest proxy's
//! word, and what a client made up stands to the left of all that proxies added.
//!
//! Reading begins at the right end in the very bytes, too. What the trusted proxies
//! wrote is taken apart before anything to its left is looked at, so no quote, byte or
//! length that a client sends can change how it is read.

#[cfg(test)]
mod tests;

use std::net::IpAddr;
use std::str;

use actix_web::HttpRequest;
use actix_web::http::header::{FORWARDED, HeaderName, HeaderValue, X_FORWARDED_FOR};
use ipnet::{IpNet, Ipv4Net};

/// The most entries of a header that are looked at, counted from its end.
const HOPS: usize = 32;
/// The longest entry, in bytes. `Forwarded` may say more than the address, such as
/// the host and the protocol.
const ENTRY_BYTES: usize = 512;

/// The proxies that are believed when they say for whom they speak.
///
/// By default there are none, and the client is whoever holds the connection.
///
/// ```
/// use audit::{ForwardedHeader, TrustedProxies};
///
/// let proxies = TrustedProxies::new(["10.0.0.0/8".parse()?, "fd00::/8".parse()?])
///     .header(ForwardedHeader::Forwarded);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct TrustedProxies {
    networks: Vec<IpNet>,
    header: ForwardedHeader,
    includes_unix_sockets: bool,
}

/// The header in which proxies say for whom they speak.
///
/// Only the one that the proxies write is looked at: the other one is passed on as the
/// client sent it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ForwardedHeader {
    /// `X-Forwarded-For`: addresses, separated by commas.
    #[default]
    XForwardedFor,
    /// `Forwarded`, after [RFC 7239](https://www.rfc-editor.org/rfc/rfc7239).
    Forwarded,
}

impl TrustedProxies {
    /// Proxies in these networks are trusted. A network that holds clients, too, lets
    /// them say what they like.
    #[must_use]
    pub fn new(networks: impl IntoIterator<Item = IpNet>) -> Self {
        Self {
            networks: networks.into_iter().map(canonical).collect(),
            ..Self::default()
        }
    }

    /// The header that they write; `X-Forwarded-For` unless it is said.
    #[must_use]
    pub fn header(mut self, header: ForwardedHeader) -> Self {
        self.header = header;
        self
    }

    /// Whoever connects through a Unix socket is a proxy, too. Such a connection has no
    /// address, and the file's permissions decide who can make one. Unless this is said,
    /// requests from there have no known client.
    #[must_use]
    pub fn and_unix_sockets(mut self) -> Self {
        self.includes_unix_sockets = true;
        self
    }

    /// Whom it names, as the trail tells it when it starts.
    pub(crate) fn settings(&self) -> serde_json::Value {
        let networks: Vec<String> = self.networks.iter().map(IpNet::to_string).collect();
        serde_json::json!({
            "networks": networks,
            "header": self.header.name().as_str(),
            "unix_sockets": self.includes_unix_sockets,
        })
    }

    fn trusts(&self, address: IpAddr) -> bool {
        self.networks
            .iter()
            .any(|network| network.contains(&address))
    }

    /// The client behind `peer`: the first address, seen from here, that is none of a
    /// trusted proxy. Where the header ends or cannot be read, it is the last address
    /// known.
    fn client<'a>(
        &self,
        peer: Option<IpAddr>,
        lines: impl DoubleEndedIterator<Item = &'a [u8]>,
    ) -> Option<IpAddr> {
        let is_proxy = peer.map_or(self.includes_unix_sockets, |peer| self.trusts(peer));
        if !is_proxy {
            return peer;
        }
        let mut client = peer;
        let entries = lines.rev().flat_map(|line| Entries(Some(line)));
        for entry in entries.take(HOPS) {
            let Some(address) = self.header.address(entry) else {
                break;
            };
            client = Some(address);
            if !self.trusts(address) {
                break;
            }
        }
        client
    }
}

/// Where one request came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ClientAddress {
    /// The client, as far as trusted proxies know.
    pub(crate) ip: Option<IpAddr>,
    /// The other end of the connection; nothing at a Unix socket.
    pub(crate) peer: Option<IpAddr>,
}

impl ClientAddress {
    pub(crate) fn of(request: &HttpRequest, proxies: &TrustedProxies) -> Self {
        let peer = request.peer_addr().map(|peer| peer.ip().to_canonical());
        let lines = request.headers().get_all(proxies.header.name());
        Self {
            ip: proxies.client(peer, lines.map(HeaderValue::as_bytes)),
            peer,
        }
    }
}

impl ForwardedHeader {
    fn name(self) -> HeaderName {
        match self {
            Self::XForwardedFor => X_FORWARDED_FOR,
            Self::Forwarded => FORWARDED,
        }
    }

    /// The address in one entry, if there is one that can be read.
    fn address(self, entry: &[u8]) -> Option<IpAddr> {
        if entry.len() > ENTRY_BYTES {
            return None;
        }
        let entry = str::from_utf8(entry.trim_ascii()).ok()?;
        match self {
            Self::XForwardedFor => address(entry),
            Self::Forwarded => address(forwarded_for(entry)?),
        }
    }
}

/// The entries of one header line, the last one first. Empty ones are passed over
/// ([RFC 9110, section 5.6.1.2](https://www.rfc-editor.org/rfc/rfc9110#section-5.6.1.2)).
struct Entries<'a>(Option<&'a [u8]>);

impl<'a> Iterator for Entries<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        loop {
            let (rest, entry) = split_last(self.0?, b',');
            self.0 = rest;
            if entry.len() > ENTRY_BYTES || !entry.trim_ascii().is_empty() {
                return Some(entry);
            }
        }
    }
}

/// Splits a text at its last separator that is not within quotes. Of an entry that is too
/// long, the last bytes are given back, one more than an entry may have.
fn split_last(text: &[u8], separator: u8) -> (Option<&[u8]>, &[u8]) {
    let mut is_quoted = false;
    for (position, &byte) in text.iter().enumerate().rev() {
        if byte == b'"' && !(is_quoted && is_escaped(text, position)) {
            is_quoted = !is_quoted;
        } else if byte == separator && !is_quoted {
            let (rest, entry) = text.split_at(position);
            return (Some(rest), entry.get(1..).unwrap_or_default());
        }
        if text.len() - position > ENTRY_BYTES {
            return (None, text.split_at(position).1);
        }
    }
    (None, text)
}

/// Whether an odd number of backslashes stands before this position.
fn is_escaped(text: &[u8], position: usize) -> bool {
    let before = text.get(..position).unwrap_or_default();
    let backslashes = before.iter().rev().take_while(|&&byte| byte == b'\\');
    backslashes.take(ENTRY_BYTES).count() % 2 == 1
}

/// The node of the `for` parameter of an element of `Forwarded`
/// ([RFC 7239, section 4](https://www.rfc-editor.org/rfc/rfc7239#section-4)). An element
/// without one says nothing, and one with two says no one thing.
fn forwarded_for(element: &str) -> Option<&str> {
    let mut node = None;
    let mut rest = Some(element.as_bytes());
    while let Some(parameters) = rest {
        let (before, parameter) = split_last(parameters, b';');
        rest = before;
        let Some((name, value)) = str::from_utf8(parameter).ok()?.split_once('=') else {
            continue;
        };
        if name.trim().eq_ignore_ascii_case("for") && node.replace(value.trim()).is_some() {
            return None;
        }
    }
    node
}

/// Reads an address, with or without port, brackets and quotes. Nothing else is one:
/// neither `unknown` nor a name that hides the address
/// ([RFC 7239, section 6](https://www.rfc-editor.org/rfc/rfc7239#section-6)).
fn address(node: &str) -> Option<IpAddr> {
    let unquoted = node
        .strip_prefix('"')
        .and_then(|node| node.strip_suffix('"'));
    let node = unquoted.unwrap_or(node);
    let bracketed = node.strip_prefix('[').and_then(|node| node.split_once(']'));
    let address = match bracketed {
        Some((address, "")) => IpAddr::V6(address.parse().ok()?),
        Some((address, port)) => {
            is_port(port.strip_prefix(':')?).then_some(())?;
            IpAddr::V6(address.parse().ok()?)
        }
        // Without brackets, a colon before a port is the only one.
        None => match node.split_once(':') {
            Some((address, port)) if is_port(port) => IpAddr::V4(address.parse().ok()?),
            _ => node.parse().ok()?,
        },
    };
    Some(address.to_canonical())
}

/// Whether this is the number of a port, or a name that hides one.
fn is_port(port: &str) -> bool {
    let is_number = (1..=5).contains(&port.len()) && port.bytes().all(|byte| byte.is_ascii_digit());
    is_number || (port.starts_with('_') && !port.contains(':'))
}

/// Addresses are compared in their canonical form, so IPv4 networks that are written as
/// IPv6 are IPv4.
fn canonical(network: IpNet) -> IpNet {
    let IpNet::V6(mapped) = network else {
        return network;
    };
    let address = mapped.network().to_ipv4_mapped();
    let bits = mapped.prefix_len().checked_sub(96);
    match (address, bits) {
        (Some(address), Some(bits)) => Ipv4Net::new(address, bits).map_or(network, IpNet::V4),
        _ => network,
    }
}
