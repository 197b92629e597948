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

use actix_web::dev::{ResourceDef, Service, ServiceResponse};
use actix_web::http::{Method, StatusCode};
use actix_web::introspection::{IntrospectionNode, IntrospectionTree, ResourceType};
use actix_web::test::TestRequest;
use actix_web::web::Data;
use actix_web::{Error, HttpRequest, HttpResponse};

use super::Recorder;
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

/// Left in the response by an audited handler that is surveyed.
#[derive(Clone, Copy)]
struct Surveyed(&'static str);

/// The answer of an audited handler, if this is a survey.
pub(crate) fn surveyed(request: &HttpRequest, action: &'static str) -> Option<HttpResponse> {
    let audit = request.app_data::<Audit>()?;
    if !audit.survey().load(Ordering::Relaxed) {
        return None;
    }
    let mut response = HttpResponse::NoContent().finish();
    response.extensions_mut().insert(Surveyed(action));
    Some(response)
}

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
/// forgotten runs once, with an empty request from nobody.
#[must_use = "nothing is checked until `check` is called"]
pub struct RouteCoverage {
    exemptions: Vec<Exemption>,
    samples: Vec<(String, String)>,
    prepare: Box<dyn Fn(TestRequest) -> TestRequest>,
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
            prepare: Box::new(|request| request),
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
        self.prepare = Box::new(prepare);
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
        let audit = recorder.audit();
        audit.survey().store(true, Ordering::Relaxed);
        let found = self.survey(app).await;
        audit.survey().store(false, Ordering::Relaxed);
        assert!(found.faults.is_empty(), "{found}");
        found.audited.into_iter().collect()
    }

    async fn survey<S, B>(&self, app: &S) -> Found
    where
        S: Service<actix_http::Request, Response = ServiceResponse<B>, Error = Error>,
    {
        let mut found = Found::default();
        let mut routes = Vec::new();
        match self.tree(app).await {
            Some(tree) => collect(&tree.root, &mut routes),
            None => found.fault("the app does not tell its routes: give `check` an app that was made by `init_service`"),
        }
        for route in &routes {
            self.survey_route(app, route, &mut found).await;
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

    /// The app's routes, which every response carries with its request.
    async fn tree<S, B>(&self, app: &S) -> Option<Data<IntrospectionTree>>
    where
        S: Service<actix_http::Request, Response = ServiceResponse<B>, Error = Error>,
    {
        let request = (self.prepare)(TestRequest::get().uri("/route-coverage-asks-for-the-routes"));
        let response = app.call(request.to_request()).await.ok()?;
        response
            .request()
            .app_data::<Data<IntrospectionTree>>()
            .cloned()
    }

    async fn survey_route<S, B>(&self, app: &S, route: &Route, found: &mut Found)
    where
        S: Service<actix_http::Request, Response = ServiceResponse<B>, Error = Error>,
    {
        let methods = route.methods.iter().filter(|method| !method.is_safe());
        let methods: BTreeSet<String> = methods.chain(&MUTATING).map(Method::to_string).collect();
        for method in methods {
            if self
                .exemptions
                .iter()
                .any(|exemption| exemption.covers(&method, &route.path))
            {
                continue;
            }
            let is_named = route.methods.iter().any(|named| named.as_str() == method);
            let Some(paths) = self.paths(route) else {
                if is_named || route.methods.is_empty() {
                    found.fault(format!(
                        "{method} {}: no path is known that fits: give one, `.sample({:?}, \"…\")`",
                        route.path, route.path
                    ));
                }
                continue;
            };
            let mut answers = Vec::new();
            for path in paths {
                let request =
                    TestRequest::with_uri(&path).method(method.parse().unwrap_or(Method::POST));
                answers.push(match app.call((self.prepare)(request).to_request()).await {
                    Ok(response) => {
                        Answer::of(response.response().extensions().get(), response.status())
                    }
                    Err(error) => Answer::of(None, error.as_response_error().status_code()),
                });
            }
            judge(&method, &route.path, is_named, &answers, found);
        }
    }

    /// Paths that lead to a route.
    fn paths(&self, route: &Route) -> Option<Vec<String>> {
        if let Some((_, path)) = self.samples.iter().find(|(known, _)| *known == route.path) {
            return Some(vec![path.clone()]);
        }
        let path = fill(&route.path)?;
        let mut paths = Vec::new();
        if route.without_slash || path == "/" {
            paths.push(path.clone());
        }
        if route.with_slash && path != "/" {
            paths.push(format!("{path}/"));
        }
        Some(paths)
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

/// What is known of one route.
struct Route {
    path: String,
    /// Methods it names; none if it takes them all, or if they hide in guards.
    methods: Vec<Method>,
    /// Whether its patterns end in a slash, and whether they do not.
    with_slash: bool,
    without_slash: bool,
}

fn collect(node: &IntrospectionNode, routes: &mut Vec<Route>) {
    if matches!(node.kind, ResourceType::Resource) {
        let ends = |slash: bool| {
            node.patterns
                .iter()
                .any(|pattern| pattern.ends_with('/') == slash)
        };
        routes.push(Route {
            path: without_slash(&node.full_path).to_owned(),
            methods: node.methods.clone(),
            with_slash: ends(true),
            without_slash: ends(false) || node.patterns.is_empty(),
        });
    }
    for child in &node.children {
        collect(child, routes);
    }
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

fn judge(method: &str, route: &str, is_named: bool, answers: &[Answer], found: &mut Found) {
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
                return;
            }
        }
    }
    if is_named && !is_audited {
        found.fault(format!(
            "{method} {route} was not reached{}: say what its guards ask for, `.request(…)`, \
             or a path that leads there, `.sample({route:?}, \"…\")`",
            status.map_or_else(String::new, |status| format!(" ({})", status.as_u16()))
        ));
    }
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

fn without_slash(path: &str) -> &str {
    match path.trim_end_matches('/') {
        "" => "/",
        path => path,
    }
}

/// A path that a pattern matches, if one of the samples fits each of its
/// parameters.
fn fill(pattern: &str) -> Option<String> {
    let pieces = pieces(pattern);
    let parameters = pieces.iter().filter(|piece| piece.is_none()).count();
    let resource = ResourceDef::new(pattern);
    let combinations = SAMPLES.len().checked_pow(u32::try_from(parameters).ok()?)?;
    (0..combinations.min(COMBINATIONS)).find_map(|combination| {
        let mut rest = combination;
        let mut path = String::new();
        for piece in &pieces {
            match piece {
                Some(text) => path.push_str(text),
                None => {
                    path.push_str(SAMPLES.get(rest % SAMPLES.len())?);
                    rest /= SAMPLES.len();
                }
            }
        }
        resource.is_match(&path).then_some(path)
    })
}

/// A pattern in pieces: texts, and `None` for each parameter. A parameter's regular
/// expression may hold braces itself.
fn pieces(pattern: &str) -> Vec<Option<String>> {
    let mut pieces = vec![Some(String::new())];
    let mut depth = 0_usize;
    for character in pattern.chars() {
        match character {
            '{' => {
                if depth == 0 {
                    pieces.push(None);
                }
                depth += 1;
            }
            '}' => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    pieces.push(Some(String::new()));
                }
            }
            // `{tail}*` is the old way to write `{tail:.*}`.
            '*' if depth == 0 => {}
            other if depth == 0 => {
                if let Some(Some(text)) = pieces.last_mut() {
                    text.push(other);
                }
            }
            _ => {}
        }
    }
    pieces
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
            assert_eq!(fill(pattern).as_deref(), Some(expected), "{pattern}");
        }
        assert_eq!(fill("/{id:only-this}"), None);
    }
}
