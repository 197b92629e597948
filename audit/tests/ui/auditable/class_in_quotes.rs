use audit::Auditable;

#[derive(Auditable)]
struct Login {
    #[audit("secret")]
    password: String,
}

fn main() {
    let _ = Login::SHAPE;
}
