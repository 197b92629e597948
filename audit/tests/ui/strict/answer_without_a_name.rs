use actix_web::{HttpResponse, Responder};
use audit::audited;

#[audited(action = "export", capture = "all", strict)]
async fn handler() -> impl Responder {
    HttpResponse::Ok().finish()
}

fn main() {
    let _ = actix_web::web::get().to(handler);
}
