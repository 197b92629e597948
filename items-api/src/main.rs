//! The command line of `items-api`.

mod dead_letters;
mod postgres;
mod redact;
mod trail;

use std::io::{self, Write as _};
use std::process::ExitCode;
use std::time::Duration;

use audit::printable;
use clap::{Parser, Subcommand};
use items_api::auth::{self, Role};
use items_api::config::{Config, Options};
use items_api::{docs, log, serve};
use postgres::Postgres;
use tokio::signal::unix::{SignalKind, signal};
use uuid::Uuid;

/// A small HTTP service for items whose every change leaves an audit record.
///
/// Without DATABASE_URL it runs a PostgreSQL of its own in the data folder.
#[derive(Parser)]
#[command(version, about, long_about, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    options: Options,
}

#[derive(Subcommand)]
enum Command {
    /// Serve requests until SIGTERM or Ctrl-C (the default command); a second one
    /// stops at once and loses no record
    Serve,
    /// Bring the database up to date and exit
    Migrate,
    /// Print a token for local use, signed with the secret in the data folder
    ///
    /// The token goes into a header: `Authorization: Bearer …`.
    Token {
        /// Who it speaks for
        #[arg(long, value_name = "NAME", value_parser = parse_subject)]
        sub: String,
        /// What they may do; may be given several times
        #[arg(long = "role", value_name = "ROLE", required = true)]
        roles: Vec<Role>,
        /// Seconds until it expires
        #[arg(long, value_name = "SECONDS", default_value_t = 24 * 60 * 60, value_parser = clap::value_parser!(u64).range(1..=366 * 24 * 60 * 60))]
        ttl_s: u64,
    },
    /// Show records of the audit trail, the newest first
    ///
    /// On a terminal they are a table, in a pipe NDJSON: a line for each record, its
    /// canonical bytes. Reading leaves a record too, before the first one is shown.
    Query(trail::QueryArguments),
    /// Write all records of a filter into a file, the oldest first
    ///
    /// The file is whole or not there: until then it is called FILE.part, and --resume
    /// goes on where it ends. Exporting leaves a record too, before the first byte.
    Export(trail::ExportArguments),
    /// Show audit records that Postgres refuses, or store them after all
    DeadLetters {
        #[command(subcommand)]
        action: DeadLetters,
    },
    /// Show what audit records would show of a text from standard input
    ///
    /// What the types of a handler say of their fields comes on top of it.
    Redact {
        /// What to read the text as
        #[arg(long = "as", value_name = "FORMAT", default_value = "json")]
        format: redact::Format,
        /// List what was hidden, and by which rule
        #[arg(long)]
        explain: bool,
        /// Print the hash of the text instead, with each of the keys: what to search for
        #[arg(long, conflicts_with_all = ["format", "explain"])]
        hash: bool,
    },
    /// Print the OpenAPI document
    Openapi,
}

#[derive(Subcommand)]
enum DeadLetters {
    /// Print them, one JSON object a line: id, when and why refused, and the record
    List,
    /// Try to store them again, once the cause is mended
    Requeue {
        /// Only these; without any, all
        ids: Vec<Uuid>,
    },
}

fn parse_subject(subject: &str) -> Result<String, &'static str> {
    if subject.is_empty() || subject.len() > 256 || subject.contains(char::is_control) {
        return Err("a name has 1 to 256 bytes and no control characters");
    }
    Ok(subject.to_owned())
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    match run(cli) {
        Ok(()) => ExitCode::SUCCESS,
        // Whoever read our output has enough of it.
        Err(error) if is_broken_pipe(&*error) => ExitCode::SUCCESS,
        Err(error) => {
            let error = error.to_string();
            for line in error.lines().map(printable::line) {
                let _ = writeln!(io::stderr(), "items-api: {line}");
            }
            ExitCode::FAILURE
        }
    }
}

fn is_broken_pipe(error: &(dyn std::error::Error + 'static)) -> bool {
    let error = error.downcast_ref::<io::Error>();
    error.is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

fn run(cli: Cli) -> Result<(), Box<dyn std::error::Error>> {
    let config = cli.options.resolve()?;
    match cli.command.unwrap_or(Command::Serve) {
        Command::Serve => {
            log::start(&config)?;
            if config.owner_url.is_some() && config.database_url.is_none() {
                return Err("--owner-url names the owner of the database that DATABASE_URL names: set both, or neither for a private Postgres".into());
            }
            let postgres = Postgres::open(&config, config.database_url.as_ref())?;
            let mut config = config;
            let mut url = postgres.url.clone();
            if let Some(service_url) = postgres.prepare_service_login()? {
                // Only migrations need the owner.
                config.owner_url = Some(url);
                url = service_url;
            }
            actix_web::rt::System::new().block_on(serve(&config, &url))
        }
        Command::Migrate => {
            log::start(&config)?;
            let postgres = Postgres::open(&config, config.owner_database_url())?;
            serve::migrate(&postgres.url)?;
            print("the database is up to date")
        }
        Command::Token { sub, roles, ttl_s } => {
            serve::prepare_data_dir(&config.data_dir)?;
            let lifetime = Duration::from_secs(ttl_s);
            print(&auth::mint(
                &config.jwt,
                &config.data_dir,
                &sub,
                &roles,
                lifetime,
            )?)
        }
        Command::DeadLetters { action } => {
            log::start(&config)?;
            let postgres = Postgres::open(&config, config.owner_database_url())?;
            match action {
                DeadLetters::List => dead_letters::list(&postgres.url),
                DeadLetters::Requeue { ids } => dead_letters::requeue(&postgres.url, &ids),
            }
        }
        Command::Query(arguments) => {
            log::start(&config)?;
            trail::query(&config, &arguments)
        }
        Command::Export(arguments) => {
            log::start(&config)?;
            trail::export(&config, &arguments)
        }
        Command::Redact {
            format,
            explain,
            hash,
        } => {
            if hash || !config.redaction.hash.is_empty() {
                // The keys lie there.
                serve::prepare_data_dir(&config.data_dir)?;
            }
            if hash {
                redact::hash(&config.redaction)
            } else {
                redact::redact(&config.redaction, format, explain)
            }
        }
        Command::Openapi => print(docs::openapi_json()?.trim_end()),
    }
}

async fn serve(config: &Config, database_url: &str) -> Result<(), Box<dyn std::error::Error>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let service = serve::start(config, database_url)?;
    print(&format!("listening on http://{}", service.address()))?;
    let (first, stop) = tokio::sync::oneshot::channel();
    let hurry = async move {
        let mut signal = async || {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
        };
        signal().await;
        let _ = first.send(());
        signal().await;
    };
    let stop = async {
        let _ = stop.await;
    };
    Ok(service.run(stop, hurry).await?)
}

fn print(line: &str) -> Result<(), Box<dyn std::error::Error>> {
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "{line}")?;
    stdout.flush()?;
    Ok(())
}
