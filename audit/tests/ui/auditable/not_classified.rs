use audit::{Auditable, Classified};

#[derive(Auditable)]
struct Login {
    #[audit(plain)]
    name: String,
    password: String,
}

fn classified<T: Classified>() {}

fn main() {
    classified::<Login>();
    classified::<Vec<serde_json::Value>>();
}
