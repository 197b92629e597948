use actix_web::HttpResponse;
use audit::audited;

#[audited(action = "create_item")]
fn handler() -> HttpResponse {
    HttpResponse::Ok().finish()
}

fn main() {
    let _ = handler;
}
