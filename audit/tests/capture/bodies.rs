//! Bodies that are too large for a record, in handlers that read them all the same.

use actix_http::BoxedPayloadStream;
use actix_web::dev::Payload;
use actix_web::test::{TestRequest, call_service, init_service};
use actix_web::web::{self, Bytes};
use actix_web::{App, HttpResponse};
use audit::audited;
use futures_util::{StreamExt as _, stream};
use sha2::{Digest as _, Sha256};

use super::recorder;

#[actix_web::test]
async fn of_a_hundred_megabytes_the_size_and_the_hash_are_kept() {
    #[audited(action = "import")]
    async fn import(mut body: web::Payload) -> HttpResponse {
        let mut bytes = 0;
        while let Some(Ok(chunk)) = body.next().await {
            bytes += chunk.len();
        }
        HttpResponse::Ok().body(bytes.to_string())
    }

    const CHUNKS: usize = 100;
    const BYTES: usize = CHUNKS * 1024 * 1024;
    let chunk = Bytes::from(vec![b'7'; BYTES / CHUNKS]);
    let mut hash = Sha256::new();
    for _ in 0..CHUNKS {
        hash.update(&chunk);
    }
    let hash: String = hash
        .finalize()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();

    let recorder = recorder();
    let app = App::new().app_data(recorder.audit());
    let app = init_service(app.route("/", web::post().to(import))).await;
    let request = TestRequest::post()
        .insert_header(("content-type", "application/json"))
        .to_request();
    // It comes in pieces, and nobody ever has all of it.
    let chunks = stream::repeat_with(move || Ok(chunk.clone())).take(CHUNKS);
    let chunks: BoxedPayloadStream = Box::pin(chunks);
    let (request, _) = request.replace_payload(Payload::Stream { payload: chunks });
    let response = call_service(&app, request).await;
    let read = actix_web::test::read_body(response).await;
    assert_eq!(read, BYTES.to_string());
    recorder
        .only("import")
        .with("/request", serde_json::Value::Null)
        .with("/truncated/0/path", "/request")
        .with("/truncated/0/bytes", BYTES)
        .with("/truncated/0/sha256", hash);
}
