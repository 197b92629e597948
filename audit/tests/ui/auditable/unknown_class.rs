use audit::Auditable;

#[derive(Auditable)]
struct Login {
    name: String,
    #[audit(hidden)]
    password: String,
}

fn main() {
    let _ = Login::SHAPE;
}
