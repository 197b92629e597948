//! Whether every route that changes something leaves a record.
//!
//! The app itself says which routes it has (Actix-web's introspection, which the
//! feature `testing` turns on). Each is called once with every method that changes
//! something. During the survey an audited handler does not run: the wrapper around
//! it answers at once, with the name of its action. Whatever else answers was
//! forgotten.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::atomic::Ordering;

use actix_web::Error;
use actix_web::dev::{ResourceDef, Service, ServiceResponse};
use actix_web::http::{Method, StatusCode};
use actix_web::introspection::{GuardDetailReport, GuardReport, IntrospectionNode, ResourceType};
use actix_web::test::TestRequest;

use super::Recorder;
use super::routes::{tree, without_slash};
use crate::capture::pattern::{Piece, pieces};
use crate::capture::survey::Surveyed;
use crate::handle::Audit;

/// Methods that change something (RFC 9110, section 9.2.1, and RFC 5789). Others
/// are asked for where a route names them.
const MUTATING: [Method; 4] = [Method::POST, Method::PUT, Method::PATCH, Method::DELETE];
/// What may stand in the place of a parameter, one of which fits most patterns.
const SAMPLES: [&str; 6] = [
    "00000000-0000-4000-8000-000000000000",
    "1",
    "sample",
    "2026-01-01",
    "sample.txt",
    "SAMPLE",
];
/// The most combinations of them that are tried for one path.
const COMBINATIONS: usize = 4_096;
/// The most paths that are called for one route: others may stand before it.
const PATHS: usize = 6;

/// Fails when a route that changes something is neither audited nor exempt.
///
/// ```
/// use actix_web::test::init_service;
/// use actix_web::{App, HttpResponse, web};
/// use audit::audited;
/// use audit::testing::{Recorder, RouteCoverage};
///
/// #[audited(action = "delete_order", resource = "order")]
/// async fn delete_order() -> HttpResponse {
///     HttpResponse::NoContent().finish()
/// }
///
/// async fn sign_in() -> HttpResponse {
///     HttpResponse::Ok().finish()
/// }
///
/// # actix_web::rt::System::new().block_on(async {
/// let recorder = Recorder::default();
/// let app = App::new()
///     .app_data(recorder.audit())
///     .route("/orders/{id}", web::delete().to(delete_order))
///     .route("/sign-in", web::post().to(sign_in));
///
/// RouteCoverage::new()
///     .exempt("POST", "/sign-in", "the identity provider keeps its own trail")
///     .check(&recorder, &init_service(app).await)
///     .await;
/// # });
/// ```
///
/// Audited handlers do not run, exempt ones are not called, but one that was
/// forgotten runs a few times, with empty requests from nobody. So does what answers
/// where there is no route, a `default_service`.
#[must_use = "nothing is checked until `check` is called"]
pub struct RouteCoverage {
    exemptions: Vec<Exemption>,
    samples: Vec<(String, String)>,
    prepare: Option<Box<dyn Fn(TestRequest) -> TestRequest>>,
}

/// A survey under way; it ends even if a forgotten handler panics.
struct Survey(Audit);

impl Survey {
    fn of(audit: Audit) -> Self {
        audit.survey().store(true, Ordering::Relaxed);
        Self(audit)
    }
}

impl Drop for Survey {
    fn drop(&mut self) {
        self.0.survey().store(false, Ordering::Relaxed);
    }
}

struct Exemption {
    method: String,
    route: String,
    reason: String,
}

/// A route that leaves a record.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct AuditedRoute {
    /// With which method it is called.
    pub method: String,
    /// Its pattern.
    pub route: String,
    /// What is recorded.
    pub action: String,
}

impl Default for RouteCoverage {
    fn default() -> Self {
        Self::new()
    }
}

impl RouteCoverage {
    /// A check without exemptions.
    pub fn new() -> Self {
        Self {
            exemptions: Vec::new(),
            samples: Vec::new(),
            prepare: None,
        }
    }

    /// Leaves a route out, for a reason. It is not called. `*` means every method.
    pub fn exempt(mut self, method: &str, route: &str, reason: &str) -> Self {
        self.exemptions.push(Exemption {
            method: method.to_ascii_uppercase(),
            route: without_slash(route).to_owned(),
            reason: reason.trim().to_owned(),
        });
        self
    }

    /// Says which path to call for a route whose parameters only take certain
    /// values.
    pub fn sample(mut self, route: &str, path: &str) -> Self {
        let route = without_slash(route).to_owned();
        self.samples.push((route, path.to_owned()));
        self
    }

    /// Prepares every request, for apps whose guards or middleware ask for a header.
    pub fn request(mut self, prepare: impl Fn(TestRequest) -> TestRequest + 'static) -> Self {
        self.prepare = Some(Box::new(prepare));
        self
    }

    /// Checks an app whose data hold the recorder's [`Audit`], and gives its
    /// audited routes.
    ///
    /// # Panics
    ///
    /// When a route was forgotten, cannot be called, or is exempt without being
    /// there or without a reason; all of them are named.
    pub async fn check<S, B>(self, recorder: &Recorder, app: &S) -> Vec<AuditedRoute>
    where
        S: Service<actix_http::Request, Response = ServiceResponse<B>, Error = Error>,
    {
        let survey = Survey::of(recorder.audit());
        let found = self.survey(app).await;
        drop(survey);
        assert!(found.faults.is_empty(), "{found}");
        found.audited.into_iter().collect()
    }

    async fn survey<S, B>(&self, app: &S) -> Found
    where
        S: Service<actix_http::Request, Response = ServiceResponse<B>, Error = Error>,
    {
        let mut found = Found::default();
        let mut routes = Vec::new();
        match tree(app, self.prepared(TestRequest::get())).await {
            Some(tree) => collect(&tree.root, false, &mut routes),
            None => found.fault("the app does not tell its routes: give `check` an app that was made by `init_service`"),
        }
        for route in &routes {
            self.survey_route(app, route, &routes, &mut found).await;
        }
        for exemption in &self.exemptions {
            if exemption.reason.is_empty() {
                found.fault(format!("{exemption} is exempt without a reason: give one"));
            }
            if !routes.iter().any(|route| exemption.route == route.path) {
                found.fault(format!(
                    "{exemption} is exempt, but there is no such route: remove the exemption"
                ));
            }
        }
        found
    }

    async fn survey_route<S, B>(&self, app: &S, route: &Route, routes: &[Route], found: &mut Found)
    where
        S: Service<actix_http::Request, Response = ServiceResponse<B>, Error = Error>,
    {
        let methods = route.methods.iter().filter(|method| !method.is_safe());
        let methods: BTreeSet<String> = methods.chain(&MUTATING).map(Method::to_string).collect();
        let is_exempt = |method: &str| {
            self.exemptions
                .iter()
                .any(|exemption| exemption.covers(method, &route.path))
        };
        let mut is_reached = false;
        for method in methods.iter().filter(|method| !is_exempt(method)) {
            let mut answers = Vec::new();
            for path in self.paths(route) {
                let is_spared = routes.iter().any(|other| {
                    let is_another = other.path != route.path && !other.is_scope;
                    let mut exempt = self.exemptions.iter();
                    let is_exempt = exempt.any(|exempt| exempt.covers(method, &other.path));
                    is_another && (route.is_scope || is_exempt) && other.matches(&path)
                });
                if is_spared {
                    continue;
                }
                answers.extend(self.call(app, method, &path, route).await);
            }
            let is_named = route.methods.iter().any(|named| named.as_str() == method);
            is_reached |= judge(method, &route.path, is_named, &answers, found);
        }
        // One that names no method takes them all, or hides them behind guards.
        let takes_all = route.methods.is_empty() && !route.is_scope;
        if takes_all && !is_reached && methods.iter().any(|method| !is_exempt(method)) {
            found.not_reached("no method of", &route.path, None);
        }
        if route.has_guards
            && self.prepare.is_none()
            && methods.iter().any(|method| !is_exempt(method))
        {
            found.fault(format!(
                "{} has guards, behind which there may be other handlers: say what they ask for, \
                 `.request(…)`, or exempt it",
                route.path
            ));
        }
    }

    /// Calls a path, if it leads to this route and no other.
    async fn call<S, B>(&self, app: &S, method: &str, path: &str, route: &Route) -> Option<Answer>
    where
        S: Service<actix_http::Request, Response = ServiceResponse<B>, Error = Error>,
    {
        let request = TestRequest::with_uri(path).method(method.parse().ok()?);
        let response = match app.call(self.prepared(request).to_request()).await {
            Ok(response) => response,
            Err(error) => {
                return Some(Answer::of(None, error.as_response_error().status_code()));
            }
        };
        let led_to = response.request().match_pattern();
        let is_other = led_to.is_some_and(|led_to| without_slash(&led_to) != route.path);
        let surveyed = response.response().extensions().get().copied();
        (!is_other).then(|| Answer::of(surveyed.as_ref(), response.status()))
    }

    fn prepared(&self, request: TestRequest) -> TestRequest {
        match &self.prepare {
            Some(prepare) => prepare(request),
            None => request,
        }
    }

    /// Paths that may lead to a route.
    fn paths(&self, route: &Route) -> Vec<String> {
        let given = self
            .samples
            .iter()
            .filter(|(known, _)| *known == route.path);
        let given: Vec<String> = given.map(|(_, path)| path.clone()).collect();
        if !given.is_empty() {
            return given;
        }
        let mut paths = Vec::new();
        for path in fill(&route.path) {
            if route.without_slash || path == "/" {
                paths.push(path.clone());
            }
            if route.with_slash && path != "/" {
                paths.push(format!("{path}/"));
            }
        }
        paths
    }
}

impl Exemption {
    fn covers(&self, method: &str, route: &str) -> bool {
        self.route == route && (self.method == "*" || self.method == method)
    }
}

impl fmt::Display for Exemption {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {}", self.method, self.route)
    }
}

/// What is known of one route, or of what answers where a scope has none.
struct Route {
    path: String,
    /// Methods it names; none if it takes them all, or if they hide in guards.
    methods: Vec<Method>,
    /// Whether its patterns end in a slash, and whether they do not.
    with_slash: bool,
    without_slash: bool,
    /// Whether it, or a scope around it, asks for more than a method.
    has_guards: bool,
    is_scope: bool,
}

impl Route {
    fn matches(&self, path: &str) -> bool {
        ResourceDef::new(self.path.as_str()).is_match(without_slash(path))
    }
}

/// A path that no route of an app or a scope matches, so that its default answers.
const NOWHERE: &str = "route-coverage-asks-for-the-default";

fn collect(node: &IntrospectionNode, is_guarded: bool, routes: &mut Vec<Route>) {
    let has_guards = is_guarded || node.guard_details.iter().any(asks_for_more_than_a_method);
    let path = without_slash(&node.full_path);
    let is_scope = !matches!(node.kind, ResourceType::Resource);
    let ends = |slash: bool| {
        let mut patterns = node.patterns.iter();
        patterns.any(|pattern| pattern.ends_with('/') == slash)
    };
    routes.push(if is_scope {
        Route {
            path: format!("{}/{NOWHERE}", path.trim_end_matches('/')),
            methods: Vec::new(),
            with_slash: false,
            without_slash: true,
            has_guards,
            is_scope,
        }
    } else {
        Route {
            path: path.to_owned(),
            methods: node.methods.clone(),
            with_slash: ends(true),
            without_slash: ends(false) || node.patterns.is_empty(),
            has_guards,
            is_scope,
        }
    });
    for child in &node.children {
        collect(child, has_guards, routes);
    }
}

fn asks_for_more_than_a_method(guard: &GuardReport) -> bool {
    let is_method =
        |detail: &GuardDetailReport| matches!(detail, GuardDetailReport::HttpMethods { .. });
    guard.details.is_empty() || !guard.details.iter().all(is_method)
}

/// What one call came to.
enum Answer {
    Audited(&'static str),
    /// There is nothing for this method.
    Nothing(StatusCode),
    Other(StatusCode),
}

impl Answer {
    fn of(surveyed: Option<&Surveyed>, status: StatusCode) -> Self {
        match (surveyed, status) {
            (Some(Surveyed(action)), _) => Self::Audited(action),
            (
                None,
                StatusCode::NOT_FOUND
                | StatusCode::METHOD_NOT_ALLOWED
                | StatusCode::NOT_IMPLEMENTED,
            ) => Self::Nothing(status),
            (None, _) => Self::Other(status),
        }
    }
}

/// Whether the route was reached at all.
fn judge(method: &str, route: &str, is_named: bool, answers: &[Answer], found: &mut Found) -> bool {
    let mut is_audited = false;
    let mut status = None;
    for answer in answers {
        match answer {
            Answer::Audited(action) => {
                is_audited = true;
                found.audited.insert(AuditedRoute {
                    method: method.to_owned(),
                    route: route.to_owned(),
                    action: (*action).to_owned(),
                });
            }
            Answer::Nothing(nothing) => status = status.or(Some(*nothing)),
            Answer::Other(other) => {
                found.fault(format!(
                    "{method} {route} answers {} without a record: annotate its handler with `#[audited]`, \
                     or say why not, `.exempt({method:?}, {route:?}, \"…\")`",
                    other.as_u16()
                ));
                return true;
            }
        }
    }
    if is_named && !is_audited {
        found.not_reached(method, route, status);
    }
    is_audited || is_named
}

#[derive(Default)]
struct Found {
    audited: BTreeSet<AuditedRoute>,
    faults: Vec<String>,
}

impl Found {
    fn fault(&mut self, fault: impl Into<String>) {
        self.faults.push(fault.into());
    }

    fn not_reached(&mut self, method: &str, route: &str, status: Option<StatusCode>) {
        let status = status.map_or_else(String::new, |status| format!(" ({})", status.as_u16()));
        self.fault(format!(
            "{method} {route} was not reached{status}: say what its guards ask for, `.request(…)`, \
             or a path that leads there, `.sample({route:?}, \"…\")`"
        ));
    }
}

impl fmt::Display for Found {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            formatter,
            "not every route that changes something is audited:"
        )?;
        for fault in &self.faults {
            writeln!(formatter, "- {fault}")?;
        }
        write!(formatter, "{} routes are audited", self.audited.len())
    }
}

/// Paths that a pattern matches, with the samples in the place of its parameters.
fn fill(pattern: &str) -> Vec<String> {
    let pieces = pieces(pattern);
    let is_parameter = |piece: &&Piece| matches!(piece, Piece::Parameter(_));
    let parameters = pieces.iter().filter(is_parameter).count();
    let resource = ResourceDef::new(pattern);
    let combinations = u32::try_from(parameters)
        .ok()
        .and_then(|parameters| SAMPLES.len().checked_pow(parameters));
    let combinations = combinations.unwrap_or(COMBINATIONS).min(COMBINATIONS);
    let paths = (0..combinations).map(|combination| {
        let mut rest = combination;
        let pieces = pieces.iter().map(|piece| match piece {
            Piece::Text(text) => text.as_str(),
            Piece::Parameter(_) => {
                let sample = SAMPLES.get(rest % SAMPLES.len()).copied();
                rest /= SAMPLES.len();
                sample.unwrap_or_default()
            }
        });
        pieces.collect::<String>()
    });
    paths
        .filter(|path| resource.is_match(path))
        .take(PATHS)
        .collect()
}

impl fmt::Debug for RouteCoverage {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("RouteCoverage")
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_filled_with_what_fits() {
        for (pattern, expected) in [
            ("/items", "/items"),
            ("/items/{id}", "/items/00000000-0000-4000-8000-000000000000"),
            (r"/items/{id:\d+}", "/items/1"),
            (r"/{name:[a-z]+}/{id:\d{1,3}}", "/sample/1"),
            (
                "/files/{tail:.*}",
                "/files/00000000-0000-4000-8000-000000000000",
            ),
        ] {
            assert_eq!(fill(pattern).first().unwrap(), expected, "{pattern}");
        }
        assert!(fill("/{id:only-this}").is_empty());
    }
}
