use audit::AuditScope;
use serde::Serialize;

#[derive(Serialize)]
struct Account {
    password: String,
}

fn tell(scope: &AuditScope, before: &Account, after: &Account) {
    scope.change(before, after);
}

fn main() {
    let _ = tell;
}
