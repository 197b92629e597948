//! Who counts as the client, whatever the headers say.

use std::net::SocketAddr;

use actix_web::test::TestRequest;
use proptest::collection::vec;
use proptest::prelude::*;

use super::ForwardedHeader::{Forwarded, XForwardedFor};
use super::*;

/// A trusted one.
const PROXY: &str = "10.0.0.1";

fn proxies(header: ForwardedHeader) -> TrustedProxies {
    let networks = ["10.0.0.0/8", "fd00::/8"].map(|network| network.parse().unwrap());
    TrustedProxies::new(networks).header(header)
}

/// Who is behind this connection, when the header has these lines.
fn client(header: ForwardedHeader, peer: &str, lines: &[&str]) -> String {
    client_of_bytes(header, peer, lines.iter().map(|line| line.as_bytes()))
}

fn client_of_bytes<'a>(
    header: ForwardedHeader,
    peer: &str,
    lines: impl DoubleEndedIterator<Item = &'a [u8]>,
) -> String {
    let peer: IpAddr = peer.parse().unwrap();
    let client = proxies(header).client(Some(peer.to_canonical()), lines);
    client.unwrap().to_string()
}

#[test]
fn only_what_trusted_proxies_have_added_counts() {
    for (what, peer, lines, expected) in [
        ("no header", PROXY, &[] as &[&str], PROXY),
        (
            "a stranger lies",
            "192.0.2.1",
            &["198.51.100.7"],
            "192.0.2.1",
        ),
        ("one proxy", PROXY, &["198.51.100.7"], "198.51.100.7"),
        (
            "a client lies to a proxy",
            PROXY,
            &["203.0.113.9, 198.51.100.7"],
            "198.51.100.7",
        ),
        (
            "a client claims to be a proxy",
            PROXY,
            &["203.0.113.9, 10.9.9.9, 198.51.100.7"],
            "198.51.100.7",
        ),
        (
            "two proxies",
            PROXY,
            &["203.0.113.9, 198.51.100.7, 10.0.0.2"],
            "198.51.100.7",
        ),
        (
            "nobody but proxies",
            PROXY,
            &["10.0.0.3, 10.0.0.2"],
            "10.0.0.3",
        ),
        (
            "lines are one list",
            PROXY,
            &["203.0.113.9", "198.51.100.7", "10.0.0.2"],
            "198.51.100.7",
        ),
        ("nothing to read", PROXY, &["unknown"], PROXY),
        (
            "nothing to read behind a second proxy",
            PROXY,
            &["203.0.113.9, unknown, 10.0.0.2"],
            "10.0.0.2",
        ),
        ("a name", PROXY, &["203.0.113.9, localhost"], PROXY),
        (
            "empty entries",
            PROXY,
            &["198.51.100.7, ,,"],
            "198.51.100.7",
        ),
        ("no entries", PROXY, &["", " , "], PROXY),
        ("a port", PROXY, &["198.51.100.7:8080"], "198.51.100.7"),
        ("IPv6", PROXY, &["2001:DB8:0::7"], "2001:db8::7"),
        (
            "a port of IPv6",
            PROXY,
            &["[2001:db8::7]:8080"],
            "2001:db8::7",
        ),
        ("brackets", PROXY, &["[2001:db8::7]"], "2001:db8::7"),
        ("brackets around IPv4", PROXY, &["[198.51.100.7]"], PROXY),
        ("a zone", PROXY, &["fe80::1%eth0"], PROXY),
        ("a number", PROXY, &["3325256711"], PROXY),
        ("octal", PROXY, &["198.51.100.07"], PROXY),
        (
            "IPv4 as IPv6",
            "::ffff:10.0.0.1",
            &["203.0.113.9, ::ffff:198.51.100.7, ::ffff:10.0.0.2"],
            "198.51.100.7",
        ),
        (
            "an IPv6 proxy",
            "fd00::1",
            &["198.51.100.7"],
            "198.51.100.7",
        ),
    ] {
        assert_eq!(client(XForwardedFor, peer, lines), expected, "{what}");
    }
}

#[test]
fn elements_of_forwarded_are_read_as_rfc_7239_writes_them() {
    for (line, expected) in [
        ("for=198.51.100.7", "198.51.100.7"),
        ("For=\"198.51.100.7:47011\"", "198.51.100.7"),
        ("for=\"[2001:db8:cafe::17]:4711\"", "2001:db8:cafe::17"),
        ("for=\"[2001:db8:cafe::17]\"", "2001:db8:cafe::17"),
        ("for=\"[2001:db8:cafe::17]:_port\"", "2001:db8:cafe::17"),
        (
            "for=198.51.100.7;proto=http;by=203.0.113.43",
            "198.51.100.7",
        ),
        ("proto=https; for=198.51.100.7", "198.51.100.7"),
        ("for=203.0.113.9, for=198.51.100.7", "198.51.100.7"),
        (
            "for=198.51.100.7;host=\"a,b;for=203.0.113.9\", for=10.0.0.2",
            "198.51.100.7",
        ),
        (
            "for=198.51.100.7;host=\"\\\", for=203.0.113.9\", for=10.0.0.2",
            "198.51.100.7",
        ),
        (
            "for=198.51.100.7;host=\"\\\\\", for=\"10.0.0.2\"",
            "198.51.100.7",
        ),
        ("for=unknown", PROXY),
        ("for=_hidden", PROXY),
        ("for=\"_SEVKISEK\"", PROXY),
        ("for=203.0.113.9, for=unknown", PROXY),
        ("proto=https", PROXY),
        ("for=203.0.113.9;for=198.51.100.7", PROXY),
        ("for=\"198.51.100.7", PROXY),
        ("198.51.100.7", PROXY),
    ] {
        assert_eq!(client(Forwarded, PROXY, &[line]), expected, "{line}");
    }
}

#[test]
fn only_the_header_that_is_configured_is_looked_at() {
    for (header, expected) in [(XForwardedFor, "198.51.100.7"), (Forwarded, "203.0.113.9")] {
        let request = TestRequest::default()
            .peer_addr(SocketAddr::new(PROXY.parse().unwrap(), 1))
            .append_header(("x-forwarded-for", "192.0.2.1"))
            .append_header(("x-forwarded-for", "198.51.100.7, 10.0.0.2"))
            .append_header(("forwarded", "for=203.0.113.9"))
            .to_http_request();
        let address = ClientAddress::of(&request, &proxies(header));
        assert_eq!(address.ip.unwrap().to_string(), expected);
        assert_eq!(address.peer.unwrap().to_string(), PROXY);
    }
}

#[test]
fn a_unix_socket_has_no_address_and_is_believed_only_if_that_is_said() {
    let lines = || ["198.51.100.7".as_bytes()].into_iter();
    let proxies = proxies(XForwardedFor);
    assert_eq!(proxies.client(None, lines()), None);
    let client = proxies.and_unix_sockets().client(None, lines());
    assert_eq!(client.unwrap().to_string(), "198.51.100.7");
}

#[test]
fn a_network_of_ipv4_may_be_written_as_ipv6() {
    let proxies = TrustedProxies::new(["::ffff:10.0.0.0/104".parse().unwrap()]);
    assert!(proxies.trusts("10.200.0.1".parse().unwrap()));
    assert!(!proxies.trusts("11.0.0.1".parse().unwrap()));
}

#[test]
fn the_walk_ends_after_so_many_proxies_and_so_long_an_entry() {
    let entries = |count| vec!["10.0.0.2"; count].join(",");
    let line = format!("198.51.100.7,{}", entries(HOPS - 1));
    assert_eq!(client(XForwardedFor, PROXY, &[&line]), "198.51.100.7");
    let line = format!("198.51.100.7,{}", entries(HOPS));
    assert_eq!(client(XForwardedFor, PROXY, &[&line]), "10.0.0.2");
    for long in [
        "x".repeat(100_000),
        " ".repeat(ENTRY_BYTES + 1),
        format!("{}10.0.0.2", " ".repeat(ENTRY_BYTES)),
    ] {
        let lines = ["198.51.100.7", &format!("198.51.100.7,{long}")];
        assert_eq!(client(XForwardedFor, PROXY, &lines), PROXY);
    }
    let longest = format!("{}198.51.100.7", " ".repeat(ENTRY_BYTES - 12));
    assert_eq!(client(XForwardedFor, PROXY, &[&longest]), "198.51.100.7");
}

fn header() -> impl Strategy<Value = ForwardedHeader> {
    prop_oneof![Just(XForwardedFor), Just(Forwarded)]
}

/// What a client may send, more often than not something that means something.
fn garbage() -> impl Strategy<Value = Vec<u8>> {
    let pieces = [
        "\"",
        "\\",
        ",",
        ";",
        "for=",
        "10.0.0.9",
        "203.0.113.9",
        "[",
        "]",
        ":",
        "::1",
        " ",
        "\u{fe}",
    ];
    let piece = prop_oneof![
        4 => proptest::sample::select(pieces.to_vec()).prop_map(|piece| piece.as_bytes().to_vec()),
        1 => vec(any::<u8>(), 0..8),
    ];
    vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn whatever_the_headers_say_a_stranger_is_the_client(
        header in header(),
        lines in vec(garbage(), 0..5),
    ) {
        let lines = lines.iter().map(Vec::as_slice);
        prop_assert_eq!(client_of_bytes(header, "192.0.2.1", lines), "192.0.2.1");
    }

    /// The proxies' own entries, of which the first one names somebody who is not
    /// trusted, are the end of the list; all before them the client has made up.
    #[test]
    fn nothing_to_the_left_of_a_stranger_changes_who_is_the_client(
        header in header(),
        forged in vec(garbage(), 0..5),
        is_same_line in any::<bool>(),
        stranger in any::<u128>().prop_map(|bits| IpAddr::V6(bits.into()).to_canonical()),
        proxies_between in 0..5_usize,
    ) {
        prop_assume!(!proxies(header).trusts(stranger));
        let entry = |address: IpAddr| match (header, address) {
            (XForwardedFor, address) => address.to_string(),
            (Forwarded, IpAddr::V4(address)) => format!("for={address};proto=https"),
            (Forwarded, IpAddr::V6(address)) => format!("for=\"[{address}]:443\";proto=https"),
        };
        let mut honest = vec![entry(stranger)];
        honest.extend((0..proxies_between).map(|_| entry("10.0.0.2".parse().unwrap())));
        let honest = honest.join(", ").into_bytes();

        let mut lines = forged;
        match lines.last_mut().filter(|_| is_same_line) {
            Some(last) => {
                last.extend_from_slice(b", ");
                last.extend_from_slice(&honest);
            }
            None => lines.push(honest),
        }
        let lines = lines.iter().map(Vec::as_slice);
        prop_assert_eq!(client_of_bytes(header, PROXY, lines), stranger.to_string());
    }
}
