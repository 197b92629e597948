//! The program as it is run on the command line.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command};

use audit::testing::eventually;
use reqwest::StatusCode;
use serde_json::json;

/// The program with nothing of our own environment that could change it.
pub(crate) fn program(data_dir: &Path, database_url: Option<&str>) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_items-api"));
    for (name, _) in
        std::env::vars().filter(|(name, _)| name.starts_with("ITEMS_API") || name == "DATABASE_URL")
    {
        command.env_remove(name);
    }
    command
        .current_dir(data_dir)
        .env("ITEMS_API_DATA_DIR", data_dir)
        .env("ITEMS_API_LOG", "warn");
    if let Some(url) = database_url {
        command.env("DATABASE_URL", url);
    }
    command
}

/// Where it listens, once it does.
pub(crate) fn address_of(service: &mut Child) -> String {
    let mut line = String::new();
    BufReader::new(service.stdout.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    line.trim()
        .strip_prefix("listening on ")
        .unwrap_or_else(|| panic!("{line:?}"))
        .to_owned()
}

/// Stops it in order.
pub(crate) fn terminate(child: &Child) {
    send("TERM", child);
}

pub(crate) fn send(signal: &str, child: &Child) {
    assert!(
        Command::new("kill")
            .args(["-s", signal])
            .arg(child.id().to_string())
            .status()
            .unwrap()
            .success()
    );
}

/// The tables may not be there yet when the service listens already.
pub(crate) async fn create_until_accepted(address: &str, token: &str) {
    eventually("an item is created", async || {
        let request = reqwest::Client::new()
            .post(format!("{address}/items/"))
            .bearer_auth(token);
        let response = request
            .json(&json!({ "name": "Kettle" }))
            .send()
            .await
            .unwrap();
        (response.status() == StatusCode::CREATED).then_some(())
    })
    .await;
}
