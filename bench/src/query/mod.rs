//! `cargo xtask bench query`: how fast the trail is read when it is large.
//!
//! The real service answers real requests over a table of made-up records. Each request is
//! measured twice: as it is, over and over; then with PostgreSQL explaining the very
//! statements that the service sends, which gives the plans and what PostgreSQL alone
//! takes for them.

mod cases;
mod client;
mod explain;
mod export;
mod records;
mod report;
mod requests;
mod service;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use clap::Args;
use diesel::Connection as _;
use diesel::pg::PgConnection;
use private_postgres::{Binaries, Durability, PrivatePostgres, Settings};

use crate::{Result, say};
use cases::Cases;
use client::Client;
use explain::Explained;
use report::Report;
use service::Service;

const DATABASE: &str = "query";

#[derive(Args)]
pub(crate) struct Arguments {
    /// How many records there are
    #[arg(long, default_value_t = 10_000_000, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(10_000..=1_000_000_000))]
    records: u32,
    /// The service that is asked [default: items-api beside this program]
    #[arg(long, value_name = "FILE")]
    service: Option<PathBuf>,
    /// Only requests whose name holds this
    #[arg(long, value_name = "TEXT", default_value = "")]
    only: String,
    /// Write benchmarks-query.md and the plans to this folder; else to the standard output
    #[arg(long, value_name = "FOLDER")]
    output: Option<PathBuf>,
}

pub(crate) fn run(arguments: &Arguments, binaries: &Binaries) -> Result {
    let folder = tempfile::Builder::new().prefix("bench-query-").tempdir()?;
    let postgres = PrivatePostgres::start(
        binaries,
        Settings {
            data_dir: folder.path().join("postgres"),
            durability: Durability::Throwaway,
            max_connections: 100,
        },
    )?;
    postgres.ensure_database(DATABASE)?;
    let url = postgres.database_url(DATABASE);
    audit::migrate(&url, None)?;
    let mut connection = PgConnection::establish(&url)?;

    let generated = records::generate(&url, arguments.records)?;
    let sizes = records::sizes(&mut connection)?;
    let cases = Cases::new(&mut connection, &arguments.only)?;
    let binary = match &arguments.service {
        Some(binary) => binary.clone(),
        None => std::env::current_exe()?.with_file_name("items-api"),
    };
    let data_dir = folder.path().join("service");
    let began = Instant::now();

    say("asking");
    let service = Service::start(&binary, &data_dir, &url)?;
    let client = Client::new(&service)?;
    let mut asked = Vec::new();
    for case in &cases.requests {
        say(&format!("  {}", case.name));
        asked.push(requests::measure(&client, case)?);
    }
    let exports = cases
        .exports
        .iter()
        .map(|case| {
            say(&format!("  {}", case.name));
            export::measure(&client, &service, case)
        })
        .collect::<Result<Vec<_>>>()?;
    drop(service);

    say("asking again, explained");
    explain::begin(&mut connection, DATABASE)?;
    let service = Service::start(&binary, &data_dir, &url)?;
    let client = Client::new(&service)?;
    let mut explained = Vec::new();
    for (case, asked) in cases.requests.iter().zip(&asked) {
        say(&format!("  {}", case.name));
        explained.push(explain::explain(
            &client,
            &postgres.log_file(),
            case,
            &asked.first,
        )?);
    }
    drop(service);

    let report = Report {
        generated: &generated,
        sizes: &sizes,
        measuring: began.elapsed(),
        cases: &cases,
        asked: &asked,
        exports: &exports,
        explained: &explained,
    };
    let text = report.markdown(&mut connection)?;
    write(arguments.output.as_deref(), &text, &cases, &explained)?;
    explain::refuse_whole_scans(&mut connection, &cases.requests, &explained)
}

fn write(output: Option<&Path>, text: &str, cases: &Cases, explained: &[Explained]) -> Result {
    let Some(folder) = output else {
        crate::print(text)?;
        for (case, explained) in cases.requests.iter().zip(explained) {
            crate::print(&explained.text(case))?;
        }
        return Ok(());
    };
    let plans = folder.join("plans");
    // Plans of requests that are no longer asked would look like those that are.
    if plans.exists() {
        fs::remove_dir_all(&plans)?;
    }
    fs::create_dir_all(&plans)?;
    fs::write(folder.join("benchmarks-query.md"), text)?;
    for (case, explained) in cases.requests.iter().zip(explained) {
        fs::write(plans.join(case.file_name()), explained.text(case))?;
    }
    Ok(())
}
