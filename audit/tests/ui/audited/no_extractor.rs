use actix_web::HttpResponse;
use audit::audited;

struct Basket;

#[audited(action = "pay")]
async fn handler(_: Basket) -> HttpResponse {
    HttpResponse::Ok().finish()
}

fn main() {
    let _ = actix_web::web::get().to(handler);
}
