//! The filters as flags. They become the query string that the routes under `/audit` take,
//! so one parser says what a value may be.

use audit::{Problem, TrailQuery};
use clap::{Args, ValueEnum};
use form_urlencoded::Serializer;

/// Which records are asked for.
#[derive(Args)]
#[command(next_help_heading = "Which records (a flag may repeat, meaning or)")]
pub(super) struct Filters {
    /// Id of who did it
    #[arg(long, value_name = "ID")]
    actor: Vec<String>,
    /// Name of the action; a trailing * makes it a prefix, as in 'create_*'
    #[arg(long, value_name = "NAME")]
    action: Vec<String>,
    /// Type of the thing acted on, such as item
    #[arg(long, value_name = "TYPE")]
    resource_type: Vec<String>,
    /// Id of the thing acted on
    #[arg(long, value_name = "ID")]
    resource_id: Vec<String>,
    /// How it ended: success, rejected, denied, failed, aborted or unknown
    #[arg(long, value_name = "OUTCOME")]
    outcome: Vec<String>,
    /// Status of the response, such as 404, or its class, such as 5xx
    #[arg(long, value_name = "STATUS")]
    status: Vec<String>,
    /// Method of the request
    #[arg(long, value_name = "METHOD")]
    method: Vec<String>,
    /// Pattern of the route, such as '/items/{item_id}'
    #[arg(long, value_name = "ROUTE")]
    route: Vec<String>,
    /// Address of the client, or its network, such as 192.0.2.0/24
    #[arg(long, value_name = "ADDRESS")]
    ip: Vec<String>,
    /// The X-Request-Id of the response
    #[arg(long, value_name = "ID")]
    request_id: Vec<String>,
    /// Trace id of the request's traceparent
    #[arg(long, value_name = "ID")]
    trace_id: Vec<String>,
    /// Words, all of which stand in the request, the response, the changes or the notes, also
    /// as parts of longer words; give --from as well
    #[arg(long, value_name = "WORDS", allow_hyphen_values = true)]
    q: Vec<String>,
    /// What stands at a place in the request, such as attributes.colour=red; give --from
    /// as well
    #[arg(long, value_name = "PATH=VALUE", value_parser = parse_payload)]
    payload: Vec<(String, String)>,
    /// Not before: a time such as 2026-11-24T10:00:00Z, a day such as 2026-11-24, or an age
    /// such as -24h (s, m, h, d, w)
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    from: Option<String>,
    /// Before, written like --from
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    to: Option<String>,
}

/// The order of the records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Order {
    /// Newest first
    Desc,
    /// Oldest first
    Asc,
}

impl Order {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Desc => "desc",
            Self::Asc => "asc",
        }
    }
}

fn parse_payload(text: &str) -> Result<(String, String), &'static str> {
    let (path, value) = text
        .split_once('=')
        .ok_or("it must be a place and a value, such as attributes.colour=red")?;
    Ok((format!("payload.{path}"), value.to_owned()))
}

impl Filters {
    /// The query for these filters and some parameters more.
    pub(super) fn query(&self, more: &[(&str, &str)]) -> super::Result<TrailQuery> {
        let mut query = Serializer::new(String::new());
        for (name, values) in self.named() {
            query.extend_pairs(values.iter().map(|value| (name, value)));
        }
        query.extend_pairs(&self.payload);
        query.extend_pairs(
            [("from", &self.from), ("to", &self.to)]
                .into_iter()
                .filter_map(|(name, value)| value.as_ref().map(|value| (name, value))),
        );
        query.extend_pairs(more);
        TrailQuery::parse(&query.finish()).map_err(|problem| self.by_flags(&problem).into())
    }

    fn named(&self) -> [(&'static str, &[String]); 12] {
        [
            ("actor", &self.actor),
            ("action", &self.action),
            ("resource_type", &self.resource_type),
            ("resource_id", &self.resource_id),
            ("outcome", &self.outcome),
            ("status", &self.status),
            ("method", &self.method),
            ("route", &self.route),
            ("ip", &self.ip),
            ("request_id", &self.request_id),
            ("trace_id", &self.trace_id),
            ("q", &self.q),
        ]
    }

    /// What the problem says, with the names of flags instead of those of parameters.
    fn by_flags(&self, problem: &Problem) -> String {
        let mut detail = problem.document().detail.to_owned();
        let names = self.named().map(|(name, _)| name);
        for name in names.into_iter().chain(["from", "to", "after"]) {
            let flag = format!("`--{}`", name.replace('_', "-"));
            detail = detail.replace(&format!("`{name}`"), &flag);
        }
        for (path, _) in &self.payload {
            detail = detail.replace(
                &format!("`{path}`"),
                &format!("`--{}`", path.replacen('.', " ", 1)),
            );
        }
        detail
            .replace("Behind `payload.` stands", "`--payload` begins with")
            .replace(
                "`payload.attributes.colour=red`",
                "`--payload attributes.colour=red`",
            )
    }
}
