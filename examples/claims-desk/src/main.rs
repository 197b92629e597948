//! The command line of `claims-desk`.

use std::error::Error;
use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use actix_web::{HttpServer, web};
use audit::printable::Lines;
use chrono::TimeDelta;
use claims_desk::{Desk, Role, Settings, app, create_key, expire_drafts};
use clap::{Parser, Subcommand};

/// How old a draft may become.
const DRAFT_DAYS: i64 = 30;
/// How often the service looks for older ones.
const NIGHTLY: Duration = Duration::from_secs(24 * 60 * 60);

const FIRST_STEPS: &str = "\
First steps:
  export DATABASE_URL=postgresql://localhost/claims
  claims-desk create-key --holder carla --role customer
  claims-desk serve";

/// An insurance claims desk with an audit trail.
///
/// Customers file claims and add evidence, adjusters decide, and auditors read who
/// did what under /audit/records. Everybody has a key; the first ones come from
/// `claims-desk create-key`.
#[derive(Parser)]
#[command(version, about, long_about, after_help = FIRST_STEPS, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serve requests until SIGTERM or Ctrl-C, and expire old drafts at the start and once a day
    Serve {
        /// Where to listen
        #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080")]
        bind: SocketAddr,
        #[command(flatten)]
        settings: Settings,
    },
    /// Expire the drafts that nobody gave evidence for, as the service does once a day
    ExpireDrafts {
        /// How old they are at least
        #[arg(long, value_name = "DAYS", default_value_t = DRAFT_DAYS, value_parser = clap::value_parser!(i64).range(0..=3650))]
        older_than_days: i64,
        #[command(flatten)]
        settings: Settings,
    },
    /// Issue a key and print it, once
    CreateKey {
        /// Who is to hold it
        #[arg(long, value_name = "NAME")]
        holder: String,
        /// What they may do
        #[arg(long, value_name = "ROLE")]
        role: Role,
        #[command(flatten)]
        settings: Settings,
    },
}

fn main() -> ExitCode {
    tracing_subscriber::fmt()
        .with_ansi(false)
        .with_writer(|| Lines::of_text(io::stderr()))
        .init();
    match run(Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr(), "claims-desk: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(cli: Cli) -> Result<(), Box<dyn Error>> {
    match cli.command {
        Command::Serve { bind, settings } => {
            let desk = Desk::open(&settings, "serve")?;
            let served = actix_web::rt::System::new().block_on(serve(&desk, bind));
            desk.close();
            served
        }
        Command::ExpireDrafts {
            older_than_days,
            settings,
        } => {
            let desk = Desk::open(&settings, "expire-drafts")?;
            let age = TimeDelta::days(older_than_days);
            let expired = expire_drafts(&desk.audit, &desk.database, age);
            desk.close();
            print(&format!("expired drafts: {}", expired?))
        }
        Command::CreateKey {
            holder,
            role,
            settings,
        } => {
            let desk = Desk::open(&settings, "create-key")?;
            let new = create_key(&desk.audit, &desk.database, &holder, role);
            desk.close();
            print(&new?.key)
        }
    }
}

async fn serve(desk: &Desk, bind: SocketAddr) -> Result<(), Box<dyn Error>> {
    let app_desk = desk.clone();
    let server = HttpServer::new(move || app(app_desk.clone())).bind(bind)?;
    for address in server.addrs() {
        print(&format!("listening on http://{address}"))?;
    }
    tokio::select! {
        served = server.run() => Ok(served?),
        () = every_night(desk.clone()) => Ok(()),
    }
}

async fn every_night(desk: Desk) {
    let mut nights = tokio::time::interval(NIGHTLY);
    loop {
        nights.tick().await;
        let Desk {
            audit, database, ..
        } = desk.clone();
        let night = web::block(move || {
            if let Err(error) = database.migrate() {
                tracing::error!(%error, "partitions were not made");
            }
            match expire_drafts(&audit, &database, TimeDelta::days(DRAFT_DAYS)) {
                Ok(expired) => tracing::info!(expired, "old drafts have expired"),
                Err(error) => tracing::error!(%error, "old drafts have not all expired"),
            }
        });
        if let Err(error) = night.await {
            tracing::error!(%error, "the night's work did not end");
        }
    }
}

fn print(line: &str) -> Result<(), Box<dyn Error>> {
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "{line}")?;
    stdout.flush()?;
    Ok(())
}
