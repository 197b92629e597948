use actix_web::HttpResponse;
use audit::audited;

#[audited(action = "a123456789a123456789a123456789a123456789a123456789a123456789a1234")]
async fn handler() -> HttpResponse {
    HttpResponse::Ok().finish()
}

fn main() {
    let _ = actix_web::web::get().to(handler);
}
