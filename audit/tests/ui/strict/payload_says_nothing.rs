use actix_web::HttpResponse;
use actix_web::web::Json;
use audit::audited;
use serde::Deserialize;

#[derive(Deserialize)]
struct SignUp {
    password: String,
}

#[audited(action = "sign_up", strict)]
async fn handler(Json(new): Json<SignUp>) -> HttpResponse {
    HttpResponse::Ok().json(new.password)
}

fn main() {
    let _ = actix_web::web::get().to(handler);
}
