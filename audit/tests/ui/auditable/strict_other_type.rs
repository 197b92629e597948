use audit::strict::Auditable;
use serde::Deserialize;

#[derive(Deserialize, audit::Auditable)]
struct Raw {
    code: String,
}

#[derive(Deserialize, Auditable)]
#[serde(from = "Raw")]
struct Login {
    #[audit(secret)]
    code: String,
}

impl From<Raw> for Login {
    fn from(raw: Raw) -> Self {
        Self { code: raw.code }
    }
}

fn main() {
    let _ = Login::SHAPE;
}
