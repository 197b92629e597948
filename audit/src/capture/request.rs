//! What a record tells of the request that carried an attempt.

use actix_web::HttpRequest;
use actix_web::http::header::USER_AGENT;

use super::argument::{Part, Reads, shapes};
use super::findings::Findings;
use super::pattern::{Piece, pieces};
use super::request_id::{RequestId, trace_id};
use crate::client_address::ClientAddress;
use crate::record::{Client, Http};
use crate::redact::{REDACTED, Redactor};

/// The path without those of its parameters that are secret by their name or type, if
/// there are any.
fn without_secrets(request: &HttpRequest, redactor: &Redactor, reads: &[Reads]) -> Option<String> {
    let shapes = shapes(reads, Part::Path);
    let is_secret = |name: &str| redactor.treats_field(name, &shapes);
    let values = request.match_info();
    if !values.iter().any(|(name, _)| is_secret(name)) {
        return None;
    }
    let pattern = request.match_pattern()?;
    let shown = pieces(&pattern).into_iter().map(|piece| match piece {
        Piece::Text(text) => text,
        Piece::Parameter(name) if is_secret(&name) => REDACTED.to_owned(),
        Piece::Parameter(name) => values.get(&name).unwrap_or_default().to_owned(),
    });
    Some(shown.collect())
}

/// Taken from a request when the attempt begins, once for the intent and the record.
pub(super) struct RequestPart {
    pub(super) http: Http,
    pub(super) client: Client,
    pub(super) findings: Findings,
}

impl RequestPart {
    pub(super) fn of(
        request: &HttpRequest,
        address: ClientAddress,
        redactor: &Redactor,
        reads: &[Reads],
    ) -> Self {
        let mut findings = Findings::default();
        let skips = |part| reads.iter().any(|reads| reads.skips(part));
        let head = request.head();
        let route = request.match_pattern();

        let method = findings.text(redactor.identifier("/http/method", head.method.as_str()));
        let path = if skips(Part::Path) {
            findings.redacted.push("/http/path".to_owned());
            // The pattern says where it went, without what was in its place.
            route.clone().unwrap_or_else(|| REDACTED.to_owned())
        } else if let Some(path) = without_secrets(request, redactor, reads) {
            findings.redacted.push("/http/path".to_owned());
            findings.text(redactor.text("/http/path", &path))
        } else {
            findings.text(redactor.text("/http/path", request.path()))
        };
        let query = match request.query_string() {
            "" => None,
            _ if skips(Part::Query) => {
                findings.redacted.push("/http/query".to_owned());
                None
            }
            query => {
                let shapes = shapes(reads, Part::Query);
                Some(findings.text(redactor.query_by("/http/query", query, &shapes)))
            }
        };
        let request_id = RequestId::of(request);
        let request_id = if request_id.is_own {
            request_id.as_str().to_owned()
        } else {
            findings.text(redactor.text("/http/request_id", request_id.as_str()))
        };
        let http = Http {
            method,
            route,
            path,
            query,
            status: None,
            request_id,
            trace_id: trace_id(request),
        };

        let user_agent = head.headers().get(USER_AGENT).map(|value| {
            let text = String::from_utf8_lossy(value.as_bytes());
            findings.text(redactor.text("/client/user_agent", &text))
        });
        let client = Client {
            ip: address.ip,
            peer: address.peer,
            user_agent,
        };
        Self {
            http,
            client,
            findings,
        }
    }
}
