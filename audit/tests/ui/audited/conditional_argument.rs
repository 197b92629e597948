use actix_web::HttpResponse;
use actix_web::web::Path;
use audit::audited;

#[audited(action = "pay")]
async fn handler(#[cfg(windows)] _: Path<u32>) -> HttpResponse {
    HttpResponse::Ok().finish()
}

fn main() {
    let _ = actix_web::web::get().to(handler);
}
