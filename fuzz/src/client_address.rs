//! Nobody can say who the client is but the proxies that are trusted.

use std::net::{IpAddr, SocketAddr};

use actix_web::http::header::HeaderValue;
use actix_web::test::TestRequest;
use audit::fuzz::client;
use audit::{ForwardedHeader, IpNet, TrustedProxies};

use crate::input::Input;
use crate::time::linear;

const STRANGER: &str = "192.0.2.1";
const PROXY: &str = "10.0.0.1";

/// Sends the input's lines as forwarded headers.
pub fn check(data: &[u8]) {
    let mut input = Input::new(data);
    let header = input.choose(&[ForwardedHeader::XForwardedFor, ForwardedHeader::Forwarded]);
    let forged: Vec<Vec<u8>> = input
        .rest()
        .split(|byte| *byte == b'\n')
        .map(<[u8]>::to_vec)
        .collect();
    let asked = |peer: &str, lines: &[Vec<u8>]| linear(data.len(), || ask(header, peer, lines));

    assert_eq!(
        asked(STRANGER, &forged),
        Some(address(STRANGER)),
        "a stranger is the client"
    );
    let believed = asked(PROXY, &forged).expect("there is a connection");
    assert_eq!(believed, believed.to_canonical());

    // What trusted proxies have appended counts, whatever stands to the left of it.
    let honest = match header {
        ForwardedHeader::XForwardedFor => "198.51.100.7, 10.0.0.2",
        ForwardedHeader::Forwarded => "for=\"198.51.100.7:4711\";proto=https, for=10.0.0.2",
    };
    let mut same_line = forged.clone();
    if let Some(last) = same_line.last_mut() {
        last.extend_from_slice(b", ");
        last.extend_from_slice(honest.as_bytes());
    }
    let mut own_line = forged;
    own_line.push(honest.as_bytes().to_vec());
    for lines in [same_line, own_line] {
        // A line that HTTP does not allow never arrives.
        if lines
            .iter()
            .all(|line| HeaderValue::from_bytes(line).is_ok())
        {
            assert_eq!(asked(PROXY, &lines), Some(address("198.51.100.7")));
        }
    }
}

fn ask(header: ForwardedHeader, peer: &str, lines: &[Vec<u8>]) -> Option<IpAddr> {
    let networks = ["10.0.0.0/8", "fd00::/8"].map(|net| net.parse::<IpNet>().expect("a network"));
    let name = match header {
        ForwardedHeader::XForwardedFor => "x-forwarded-for",
        ForwardedHeader::Forwarded => "forwarded",
    };
    let mut request = TestRequest::default().peer_addr(SocketAddr::new(address(peer), 1));
    for line in lines {
        if let Ok(line) = HeaderValue::from_bytes(line) {
            request = request.append_header((name, line));
        }
    }
    client(
        &request.to_http_request(),
        &TrustedProxies::new(networks).header(header),
    )
}

fn address(text: &str) -> IpAddr {
    text.parse().expect("an address")
}
