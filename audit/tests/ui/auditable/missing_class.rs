use audit::Auditable;

#[derive(Auditable)]
struct Login {
    #[audit]
    name: String,
    #[audit()]
    device: String,
    #[audit = "secret"]
    password: String,
}

fn main() {
    let _ = Login::SHAPE;
}
