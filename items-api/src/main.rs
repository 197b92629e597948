//! The command line of `items-api`.

mod dead_letters;
mod redact;

use std::io::{self, Write as _};
use std::process::ExitCode;
use std::time::Duration;

use audit::printable;
use clap::{Parser, Subcommand};
use items_api::auth::{self, Role};
use items_api::config::{Config, Options};
use items_api::{docs, log, logins, serve};
use private_postgres::{Binaries, Durability, PrivatePostgres, Settings};
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
        Err(error) => {
            let error = error.to_string();
            for line in error.lines().map(printable::line) {
                let _ = writeln!(io::stderr(), "items-api: {line}");
            }
            ExitCode::FAILURE
        }
    }
}

fn run(cli: Cli) -> Result<(), Box<dyn std::error::Error>> {
    let config = cli.options.resolve()?;
    match cli.command.unwrap_or(Command::Serve) {
        Command::Serve => {
            log::start(&config)?;
            if config.owner_url.is_some() && config.database_url.is_none() {
                return Err("--owner-url names the owner of the database that DATABASE_URL names: set both, or neither for a private Postgres".into());
            }
            let database = Database::open(&config, config.database_url.as_ref())?;
            let mut config = config;
            let mut url = database.url.clone();
            if let Some(private) = &database.private {
                // Only migrations need the owner.
                logins::prepare(&database.url)?;
                url = private.database_url_as(DATABASE, logins::SERVICE);
                config.owner_url = Some(database.url.clone());
            }
            actix_web::rt::System::new().block_on(serve(&config, &url))
        }
        Command::Migrate => {
            log::start(&config)?;
            let database = Database::open(&config, config.owner_database_url())?;
            serve::migrate(&database.url)?;
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
            let database = Database::open(&config, config.owner_database_url())?;
            match action {
                DeadLetters::List => dead_letters::list(&database.url),
                DeadLetters::Requeue { ids } => dead_letters::requeue(&database.url, &ids),
            }
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

/// What the database of a private Postgres is called.
const DATABASE: &str = "postgres";

/// The Postgres that the service uses, and its own one for as long as it does.
struct Database {
    /// As the owner of a private one.
    url: String,
    private: Option<PrivatePostgres>,
}

impl Database {
    /// The one at `url`, or else a private one.
    fn open(config: &Config, url: Option<&String>) -> Result<Self, Box<dyn std::error::Error>> {
        if let Some(url) = url {
            return Ok(Self {
                url: url.clone(),
                private: None,
            });
        }
        serve::prepare_data_dir(&config.data_dir)?;
        let binaries = Binaries::find(&config.postgres_cache).ok_or(
            "no PostgreSQL on this machine: set DATABASE_URL, install PostgreSQL, or start the service by `cargo xtask run`, which fetches one",
        )?;
        tracing::info!("starting a private PostgreSQL; the first time takes a few seconds");
        let private = PrivatePostgres::start(
            &binaries,
            Settings {
                data_dir: config.data_dir.join("postgres"),
                durability: Durability::Full,
                max_connections: 50,
            },
        )?;
        Ok(Self {
            url: private.database_url(DATABASE),
            private: Some(private),
        })
    }
}

fn print(line: &str) -> Result<(), Box<dyn std::error::Error>> {
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "{line}")?;
    stdout.flush()?;
    Ok(())
}
