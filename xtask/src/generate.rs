//! Files that are made from others: the OpenAPI document and the Diesel schemas.

use std::fs;
use std::path::PathBuf;

use crate::command::{cargo, output, program, run, say};
use crate::postgres::Throwaway;
use crate::tools::DIESEL;
use crate::{Result, libpq, root};

/// A generated file and what should be in it.
struct Generated {
    path: PathBuf,
    content: String,
}

/// Writes all of them.
pub(crate) fn generate() -> Result {
    for file in make_all()? {
        fs::write(&file.path, file.content)?;
        say(&format!("wrote {}", file.path.display()));
    }
    Ok(())
}

/// Fails if one of them is not what would be written now.
pub(crate) fn check() -> Result {
    for file in make_all()? {
        let current = fs::read_to_string(&file.path).unwrap_or_default();
        if current != file.content {
            return Err(format!(
                "{} is out of date: run `cargo xtask generate`",
                file.path.display()
            )
            .into());
        }
    }
    Ok(())
}

fn make_all() -> Result<Vec<Generated>> {
    let server = Throwaway::start()?;
    let items_api = |command: &str| {
        let mut program = cargo();
        program
            .args(["run", "--quiet", "--locked", "--package", "items-api"])
            .env("DATABASE_URL", server.url());
        program.args(libpq::features()).args(["--", command]);
        program
    };
    let openapi = output(&mut items_api("openapi"))?;
    run(items_api("migrate").stdout(std::process::Stdio::null()))?;

    let diesel = DIESEL.path()?;
    let schema = |config: &str| {
        output(
            program(&diesel)
                .args(["--config-file", config, "print-schema"])
                .env("DATABASE_URL", server.url()),
        )
    };
    Ok(vec![
        Generated {
            path: root().join("docs/openapi.json"),
            content: openapi,
        },
        Generated {
            path: root().join("audit/src/postgres/schema.rs"),
            content: schema("diesel.toml")?,
        },
        Generated {
            path: root().join("items-api/src/items/schema.rs"),
            content: schema("items-api/diesel.toml")?,
        },
    ])
}
