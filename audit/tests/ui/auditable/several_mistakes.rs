use audit::Auditable;

#[derive(Auditable)]
#[audit(mask)]
enum Login {
    #[audit(secret)]
    Password {
        #[audit(hidden, secret)]
        password: String,
    },
    Guest(#[audit] String),
}

fn main() {
    let _ = Login::SHAPE;
}
