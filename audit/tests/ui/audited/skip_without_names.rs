use actix_web::HttpResponse;
use actix_web::web::Json;
use audit::audited;

#[audited(action = "first", skip)]
async fn first(body: Json<u32>) -> HttpResponse {
    HttpResponse::Ok().json(body)
}

#[audited(action = "second", skip())]
async fn second(body: Json<u32>) -> HttpResponse {
    HttpResponse::Ok().json(body)
}

#[audited(action = "third", skip = body)]
async fn third(body: Json<u32>) -> HttpResponse {
    HttpResponse::Ok().json(body)
}

fn main() {
    let _ = actix_web::web::get().to(first).to(second).to(third);
}
