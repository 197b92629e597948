use audit::Auditable;

#[derive(Auditable)]
#[audit(secret)]
struct Password(String);

fn main() {
    let _ = Password::SHAPE;
}
