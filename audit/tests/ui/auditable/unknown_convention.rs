use audit::Auditable;

#[derive(Auditable)]
#[serde(rename_all = "camelcase")]
struct Login {
    #[audit(secret)]
    one_time_code: String,
}

fn main() {
    let _ = Login::SHAPE;
}
