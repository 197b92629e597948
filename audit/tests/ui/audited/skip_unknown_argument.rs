use actix_web::HttpResponse;
use actix_web::web::{Json, Path};
use audit::audited;

#[audited(action = "sign_in", skip(password))]
async fn handler(_: Path<u32>, Json(pin): Json<u32>) -> HttpResponse {
    HttpResponse::Ok().json(pin)
}

fn main() {
    let _ = actix_web::web::get().to(handler);
}
