//! `/audit/ui`: the page on which people read the trail, all of it from the binary.
//!
//! The page holds no data and anybody may load it: what it shows it asks of the routes
//! beside it, with the credentials of whoever looks at it. Its sources in `page/` are
//! what browsers get, so there is no build step between the two.

mod parts;

use actix_web::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETag, EntityTag, HeaderName,
};
use actix_web::web::{self, Path, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};

use crate::headers::is_known;
use crate::methods::read_only;
use crate::problem::{NOT_FOUND, Problem};

/// The page and what belongs to it, and nothing from anywhere else. No text can become
/// markup or a script, which is what the last directive asks of the browser.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
                      connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
                      require-trusted-types-for 'script'";
/// Whoever opens the page in a window cannot reach into it.
const OPENER_POLICY: (HeaderName, &str) = (
    HeaderName::from_static("cross-origin-opener-policy"),
    "same-origin",
);
/// Browsers ask each time whether what they have is still right, so that a new binary
/// is seen at once, and never together with parts of an old one.
const CACHING: &str = "no-cache";
/// The part that is the page itself.
const PAGE: &str = "index.html";

/// Mounts the page below the scope of the audit trail.
pub(crate) fn configure(config: &mut ServiceConfig) {
    config
        .service(read_only(web::resource(["/ui", "/ui/"]), page))
        .service(read_only(web::resource("/ui/{file}"), part));
}

async fn page(request: HttpRequest) -> Result<HttpResponse, Problem> {
    serve(&request, PAGE)
}

async fn part(request: HttpRequest, file: Path<String>) -> Result<HttpResponse, Problem> {
    serve(&request, &file)
}

fn serve(request: &HttpRequest, name: &str) -> Result<HttpResponse, Problem> {
    let part = parts::find(name).ok_or_else(|| {
        Problem::new(
            &NOT_FOUND,
            "The viewer has no such part; GET /audit/ui shows its page.",
        )
    })?;
    let etag = EntityTag::new_strong(part.digest());
    let is_known = is_known(request, &etag);
    let mut response = if is_known {
        HttpResponse::NotModified()
    } else {
        HttpResponse::Ok()
    };
    response
        .insert_header((CONTENT_SECURITY_POLICY, POLICY))
        .insert_header(OPENER_POLICY)
        .insert_header((CACHE_CONTROL, CACHING))
        .insert_header(ETag(etag));
    if is_known {
        return Ok(response.finish());
    }
    Ok(response
        .insert_header((CONTENT_TYPE, part.media_type))
        .body(part.content))
}

#[cfg(test)]
mod tests {
    use actix_web::App;
    use actix_web::http::header::IF_NONE_MATCH;
    use actix_web::test::{TestRequest, call_service, init_service, read_body};

    use super::*;

    #[actix_web::test]
    async fn the_page_is_under_a_policy_without_anything_inline_or_from_elsewhere() {
        let app = init_service(App::new().configure(configure)).await;
        let page = call_service(&app, TestRequest::get().uri("/ui").to_request()).await;
        let policy = page.headers().get(CONTENT_SECURITY_POLICY).unwrap();
        assert_eq!(policy, POLICY);
        for weak in ["unsafe", "http:", "https:", "*"] {
            assert!(!POLICY.contains(weak), "{weak}");
        }
        let page = read_body(page).await;
        let page = std::str::from_utf8(&page).unwrap();
        for inline in ["<style", "style=", " onclick", "javascript:", "://"] {
            assert!(!page.contains(inline), "{inline}");
        }
    }

    #[actix_web::test]
    async fn a_part_that_the_browser_has_is_not_sent_again() {
        let app = init_service(App::new().configure(configure)).await;
        for part in ["/ui", "/ui/main.js"] {
            let first = call_service(&app, TestRequest::get().uri(part).to_request()).await;
            assert_eq!(first.status(), 200);
            assert_eq!(first.headers().get(CACHE_CONTROL).unwrap(), CACHING);
            let tag = first.headers().get("etag").unwrap().clone();
            let again = TestRequest::get()
                .uri(part)
                .insert_header((IF_NONE_MATCH, tag));
            let again = call_service(&app, again.to_request()).await;
            assert_eq!(again.status(), 304);
            assert!(read_body(again).await.is_empty());
        }
    }
}
