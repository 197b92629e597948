use audit::audited;

#[audited(action = "create_item")]
struct Handler;

fn main() {
    let _ = Handler;
}
