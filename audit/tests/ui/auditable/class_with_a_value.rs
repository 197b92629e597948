use audit::Auditable;

#[derive(Auditable)]
struct Login {
    #[audit(mask(4))]
    name: String,
    #[audit(secret = true)]
    password: String,
}

fn main() {
    let _ = Login::SHAPE;
}
