use actix_web::HttpResponse;
use audit::audited;

#[audited(action = "pay")]
async fn handler(
    _: (), _: (), _: (), _: (), _: (), _: (), _: (), _: (), _: (),
    _: (), _: (), _: (), _: (), _: (), _: (), _: (), _: (),
) -> HttpResponse {
    HttpResponse::Ok().finish()
}

fn main() {}
