use actix_web::{FromRequest, HttpResponse};
use audit::audited;

#[audited(action = "pay")]
async fn handler(amount: impl FromRequest + 'static) -> HttpResponse {
    drop(amount);
    HttpResponse::Ok().finish()
}

fn main() {}
