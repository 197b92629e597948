use actix_web::HttpResponse;
use audit::audited;

#[audited(action = "create_item", durability = "forever")]
async fn handler() -> HttpResponse {
    HttpResponse::Ok().finish()
}

fn main() {
    let _ = actix_web::web::get().to(handler);
}
