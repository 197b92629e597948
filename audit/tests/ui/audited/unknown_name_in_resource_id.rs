use actix_web::HttpResponse;
use actix_web::web::Path;
use audit::audited;

#[audited(action = "pay", resource = "account", resource_id = account)]
async fn handler(id: Path<u32>) -> HttpResponse {
    HttpResponse::Ok().json(id.into_inner())
}

fn main() {
    let _ = actix_web::web::get().to(handler);
}
