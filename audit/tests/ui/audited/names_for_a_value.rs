use actix_web::HttpResponse;
use audit::audited;

#[audited(action("pay"))]
async fn handler() -> HttpResponse {
    HttpResponse::Ok().finish()
}

fn main() {
    let _ = actix_web::web::get().to(handler);
}
