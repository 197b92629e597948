use audit::Auditable;

#[derive(Auditable)]
struct Login {
    #[audit(plain, mask)]
    name: String,
    #[audit(secret)]
    #[audit(hash)]
    password: String,
}

fn main() {
    let _ = Login::SHAPE;
}
