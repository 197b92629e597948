//! A client that is generated from the OpenAPI document, and used as it is.

use std::path::Path;
use std::process::Command;

use crate::command::run;
use crate::{Result, root};

/// Generates it from what the service at `url` says of itself, and does with it what
/// `contract/client.py` does.
pub(crate) fn check(python: &Path, folder: &Path, url: &str, token: &str) -> Result {
    let client = folder.join("client");
    run(Command::new(python.join("openapi-python-client"))
        .arg("generate")
        .args(["--url", &format!("{url}/openapi.json")])
        .arg("--config")
        .arg(root().join("contract/client.yaml"))
        .args(["--meta", "none", "--overwrite", "--fail-on-warning"])
        .arg("--output-path")
        .arg(client.join("items_api_client")))?;
    run(Command::new(python.join("python"))
        .arg(root().join("contract/client.py"))
        // The token is worth nothing once the service is gone, so it may be seen.
        .args([url, token])
        .env("PYTHONPATH", &client))
}
