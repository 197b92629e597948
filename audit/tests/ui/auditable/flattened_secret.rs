use audit::Auditable;
use serde::Serialize;

#[derive(Serialize, Auditable)]
struct Login {
    #[serde(flatten)]
    #[audit(plain)]
    name: Name,
    #[serde(flatten)]
    #[audit(secret)]
    password: Name,
}

#[derive(Serialize, Auditable)]
struct Name {
    name: String,
}

fn main() {
    let _ = Login::SHAPE;
}
