use audit::Auditable;

#[derive(Auditable)]
union Either {
    name: u8,
    password: u8,
}

fn main() {
    let _ = Either::SHAPE;
}
