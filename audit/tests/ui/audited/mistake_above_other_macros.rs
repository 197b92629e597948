use actix_web::{HttpResponse, post};
use audit::audited;

#[audited(action = "Pay")]
#[post("/")]
async fn handler() -> HttpResponse {
    HttpResponse::Ok().finish()
}

fn main() {
    let _ = actix_web::App::new().service(handler);
}
