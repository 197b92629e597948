use actix_web::HttpResponse;
use actix_web::web::{Form, Query};
use audit::{Auditable, audited};
use serde::Deserialize;

#[derive(Deserialize, Auditable)]
struct SignUp {
    #[audit(secret)]
    password: String,
    name: String,
}

#[audited(action = "sign_up", strict)]
async fn handler(Form(new): Form<SignUp>, page: Query<SignUp>) -> HttpResponse {
    HttpResponse::Ok().json((new.password, new.name, &page.name))
}

fn main() {
    let _ = actix_web::web::get().to(handler);
}
