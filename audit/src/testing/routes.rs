//! Which routes an app has.

use std::collections::BTreeSet;

use actix_web::Error;
use actix_web::dev::{Service, ServiceResponse};
use actix_web::introspection::{IntrospectionNode, IntrospectionTree, ResourceType};
use actix_web::test::TestRequest;
use actix_web::web::Data;

/// The methods and patterns of an app that was made by `init_service`, without slashes
/// at their ends: `GET /items/{id}`. A resource that takes every method is told with
/// `*`.
///
/// ```
/// use actix_web::test::init_service;
/// use actix_web::{App, HttpResponse, web};
///
/// # actix_web::rt::System::new().block_on(async {
/// let item = web::resource("/items/{id}").get(HttpResponse::Ok).delete(HttpResponse::Ok);
/// let app = init_service(App::new().service(item)).await;
/// let routes = audit::testing::routes(&app).await;
/// assert!(routes.iter().eq(["DELETE /items/{id}", "GET /items/{id}"]));
/// # });
/// ```
///
/// # Panics
///
/// When the app does not tell its routes, which one of `init_service` does.
pub async fn routes<S, B>(app: &S) -> BTreeSet<String>
where
    S: Service<actix_http::Request, Response = ServiceResponse<B>, Error = Error>,
{
    let tree = tree(app, TestRequest::get()).await;
    assert!(tree.is_some(), "the app does not tell its routes");
    let mut routes = BTreeSet::new();
    if let Some(tree) = tree {
        collect(&tree.root, &mut routes);
    }
    routes
}

/// What an app knows of its routes, which every response carries with its request.
pub(super) async fn tree<S, B>(app: &S, request: TestRequest) -> Option<Data<IntrospectionTree>>
where
    S: Service<actix_http::Request, Response = ServiceResponse<B>, Error = Error>,
{
    let request = request.uri("/testing-asks-for-the-routes");
    let response = app.call(request.to_request()).await.ok()?;
    response
        .request()
        .app_data::<Data<IntrospectionTree>>()
        .cloned()
}

fn collect(node: &IntrospectionNode, routes: &mut BTreeSet<String>) {
    let path = without_slash(&node.full_path);
    if matches!(node.kind, ResourceType::Resource) {
        let methods = node.methods.iter().map(ToString::to_string);
        let all = node.methods.is_empty().then(|| "*".to_owned());
        routes.extend(methods.chain(all).map(|method| format!("{method} {path}")));
    }
    for child in &node.children {
        collect(child, routes);
    }
}

pub(super) fn without_slash(path: &str) -> &str {
    match path.trim_end_matches('/') {
        "" => "/",
        path => path,
    }
}
