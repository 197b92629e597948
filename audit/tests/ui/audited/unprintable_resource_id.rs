use actix_web::HttpResponse;
use actix_web::web::Json;
use audit::audited;

#[audited(action = "pay", resource = "account", resource_id = ids)]
async fn handler(ids: Json<Vec<u32>>) -> HttpResponse {
    HttpResponse::Ok().json(ids)
}

fn main() {
    let _ = actix_web::web::get().to(handler);
}
