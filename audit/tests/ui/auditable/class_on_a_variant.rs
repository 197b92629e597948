use audit::Auditable;

#[derive(Auditable)]
enum Login {
    #[audit(secret)]
    Password(String),
    Guest,
}

fn main() {
    let _ = Login::SHAPE;
}
