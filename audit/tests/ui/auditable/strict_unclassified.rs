use std::marker::PhantomData;

use audit::strict::Auditable;
use serde::Serialize;

#[derive(Serialize, Auditable)]
struct Login {
    #[audit(plain)]
    name: String,
    password: String,
    r#type: String,
    #[serde(skip)]
    skipped: String,
    #[serde(flatten)]
    device: Device,
    marker: PhantomData<String>,
}

#[derive(Serialize, Auditable)]
struct Device(String);

#[derive(Serialize, Auditable)]
enum Choice {
    Nothing,
    Two(#[audit(mask)] String, String),
    Named { code: String },
}

fn classified<T: audit::Classified>() {}

fn main() {
    classified::<Login>();
    classified::<Device>();
    classified::<Choice>();
}
