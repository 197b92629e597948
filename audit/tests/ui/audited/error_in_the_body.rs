use actix_web::HttpResponse;
use audit::audited;

#[audited(action = "create_item")]
async fn handler() -> HttpResponse {
    let number: u32 = "seven";
    HttpResponse::Ok().json(number)
}

fn main() {
    let _ = actix_web::web::get().to(handler);
}
