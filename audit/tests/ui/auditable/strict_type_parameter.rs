use audit::strict::Auditable;

#[derive(Auditable)]
struct Page<T> {
    #[audit(plain)]
    items: Vec<T>,
}

#[derive(audit::Auditable)]
struct Item {
    name: String,
}

fn classified<T: audit::Classified>() {}

fn main() {
    classified::<Page<Item>>();
}
