use audit::Auditable;

struct Login;

#[derive(Auditable)]
struct Page<T> {
    items: Vec<T>,
}

fn shape<T: Auditable>() {}

fn main() {
    shape::<Login>();
    shape::<Page<Login>>();
}
