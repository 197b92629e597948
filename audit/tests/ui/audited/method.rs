use actix_web::HttpResponse;
use audit::audited;

struct Items;

impl Items {
    #[audited(action = "create_item")]
    async fn handler(&self) -> HttpResponse {
        HttpResponse::Ok().finish()
    }
}

fn main() {
    let _ = Items::handler;
}
