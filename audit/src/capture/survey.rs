//! What an annotated handler answers while a test asks which routes are audited: not
//! what it would do, but what it is called.

use std::sync::atomic::Ordering;

use actix_web::{HttpRequest, HttpResponse};

use crate::handle::Audit;

/// Left in the response: the name of the action.
#[derive(Clone, Copy)]
pub(crate) struct Surveyed(pub(crate) &'static str);

/// The answer of an audited handler, if this is a survey.
pub(super) fn answer(request: &HttpRequest, action: &'static str) -> Option<HttpResponse> {
    let audit = request.app_data::<Audit>()?;
    if !audit.survey().load(Ordering::Relaxed) {
        return None;
    }
    let mut response = HttpResponse::NoContent().finish();
    response.extensions_mut().insert(Surveyed(action));
    Some(response)
}
