//! Whose address a record shows.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use actix_web::test::TestRequest;
use actix_web::web::ServiceConfig;
use actix_web::{HttpResponse, post};
use audit::testing::Recorder;
use audit::{ForwardedHeader, TrustedProxies, audited};

use super::call;

#[post("/order")]
#[audited(action = "order")]
async fn order() -> HttpResponse {
    HttpResponse::Ok().finish()
}

const PROXY: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1));

fn mount(config: &mut ServiceConfig) {
    config.service(order);
}

fn request(peer: [u8; 4]) -> TestRequest {
    TestRequest::post()
        .uri("/order")
        .peer_addr(SocketAddr::from((peer, 1)))
        .append_header(("x-forwarded-for", "203.0.113.9, 198.51.100.7"))
        .append_header(("forwarded", "for=\"[2001:db8::7]:4711\""))
}

fn behind(header: ForwardedHeader) -> Recorder {
    let proxies = TrustedProxies::new([PROXY.into()]).header(header);
    Recorder::builder().trusted_proxies(proxies).start()
}

#[actix_web::test]
async fn the_client_is_whoever_trusted_proxies_say_and_the_peer_is_always_the_connections() {
    for (recorder, peer, ip) in [
        (Recorder::default(), [10, 0, 0, 1], "10.0.0.1"),
        (
            behind(ForwardedHeader::XForwardedFor),
            [10, 0, 0, 1],
            "198.51.100.7",
        ),
        (
            behind(ForwardedHeader::Forwarded),
            [10, 0, 0, 1],
            "2001:db8::7",
        ),
        (
            behind(ForwardedHeader::XForwardedFor),
            [192, 0, 2, 1],
            "192.0.2.1",
        ),
    ] {
        call(&recorder, mount, request(peer)).await;
        recorder
            .only("order")
            .with("/client/ip", ip)
            .with("/client/peer", IpAddr::from(peer).to_string());
    }
}
