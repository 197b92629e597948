use actix_web::HttpResponse;
use actix_web::web::{Bytes, Json};
use audit::strict::audited;
use serde_json::Value;

#[audited(action = "import")]
async fn handler(value: Json<Value>) -> HttpResponse {
    HttpResponse::Ok().json(value)
}

#[audited(action = "upload")]
async fn raw(bytes: Bytes) -> HttpResponse {
    HttpResponse::Ok().body(bytes)
}

fn main() {
    let _ = actix_web::web::get().to(handler).to(raw);
}
