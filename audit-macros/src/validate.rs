//! What an annotation means, or everything that is wrong with it.

use proc_macro2::Span;
use syn::spanned::Spanned as _;
use syn::{Expr, ExprLit, FnArg, Ident, ItemFn, Lit, LitStr};

use crate::args::Argument;

/// A valid annotation.
pub(crate) struct Audited {
    pub(crate) action: LitStr,
    pub(crate) resource: Option<LitStr>,
    pub(crate) resource_id: Option<Expr>,
    pub(crate) capture: Capture,
}

/// The variants of `audit`'s own enum, by name.
#[derive(Clone, Copy)]
pub(crate) enum Capture {
    Metadata,
    Request,
    Response,
    All,
}

const KEYS: &str = "`action`, `resource`, `resource_id` and `capture`";
const LONGEST_NAME: usize = 64;

/// Collects mistakes, so that all of them are shown at once.
#[derive(Default)]
struct Mistakes(Option<syn::Error>);

impl Mistakes {
    fn add(&mut self, error: syn::Error) {
        match &mut self.0 {
            Some(errors) => errors.combine(error),
            none => *none = Some(error),
        }
    }

    fn at(&mut self, span: Span, message: impl std::fmt::Display) {
        self.add(syn::Error::new(span, message));
    }
}

pub(crate) fn validate(
    arguments: syn::Result<Vec<Argument>>,
    function: &ItemFn,
) -> syn::Result<Audited> {
    let mut mistakes = Mistakes::default();
    check_function(function, &mut mistakes);
    let arguments = match arguments {
        Ok(arguments) => Some(read(arguments, &mut mistakes)),
        Err(error) => {
            mistakes.add(error);
            None
        }
    };
    match (arguments.flatten(), mistakes.0) {
        (Some(audited), None) => Ok(audited),
        (_, Some(errors)) => Err(errors),
        // `read` gives nothing only after it has said why.
        (None, None) => Err(syn::Error::new(
            Span::call_site(),
            "the annotation cannot be read",
        )),
    }
}

fn check_function(function: &ItemFn, mistakes: &mut Mistakes) {
    let signature = &function.sig;
    if signature.asyncness.is_none() {
        mistakes.at(
            signature.fn_token.span(),
            "#[audited] needs an `async fn`, as Actix-web does: write `async` before `fn`",
        );
    }
    if let Some(constness) = &signature.constness {
        mistakes.at(constness.span(), "a handler cannot be `const`: remove it");
    }
    if let Some(FnArg::Receiver(receiver)) = signature.inputs.first() {
        mistakes.at(
            receiver.span(),
            "#[audited] works on functions, not on methods: take what `self` holds as `web::Data`",
        );
    }
    for attribute in &function.attrs {
        if attribute
            .path()
            .segments
            .last()
            .is_some_and(|last| last.ident == "audited")
        {
            mistakes.at(
                attribute.span(),
                "one handler is one action: remove the second #[audited]",
            );
        }
    }
}

fn read(arguments: Vec<Argument>, mistakes: &mut Mistakes) -> Option<Audited> {
    let mut action = None;
    let mut resource = None;
    let mut resource_id = None;
    let mut capture = None;
    let mut named = Vec::<Ident>::new();
    for Argument { key, value } in arguments {
        if named.contains(&key) {
            mistakes.at(
                key.span(),
                format!("`{key}` is given twice: remove one of them"),
            );
            continue;
        }
        match key.to_string().as_str() {
            "action" => action = name(&key, &value, mistakes),
            "resource" => resource = name(&key, &value, mistakes),
            "resource_id" => resource_id = Some(value),
            "capture" => capture = read_capture(&value, mistakes),
            _ => mistakes.at(
                key.span(),
                format!("unknown key `{key}`: #[audited] knows {KEYS}"),
            ),
        }
        named.push(key);
    }
    if !named.iter().any(|key| key == "action") {
        mistakes.at(
            Span::call_site(),
            "#[audited] needs the name of the action: `#[audited(action = \"create_item\")]`",
        );
    }
    Some(Audited {
        action: action?,
        resource,
        resource_id,
        capture: capture.unwrap_or(Capture::Request),
    })
}

/// Names of actions and resources outlive the code, in records, queries and
/// dashboards, so they are kept plain.
fn name(key: &Ident, value: &Expr, mistakes: &mut Mistakes) -> Option<LitStr> {
    let literal = string(key, value, mistakes)?;
    let name = literal.value();
    let plain = |character: char| matches!(character, 'a'..='z' | '0'..='9' | '_' | '.');
    if name.is_empty() || name.len() > LONGEST_NAME {
        mistakes.at(
            literal.span(),
            format!(
                "`{key}` has 1 to {LONGEST_NAME} characters, this one {}",
                name.len()
            ),
        );
        return None;
    }
    if !name.starts_with(|first: char| first.is_ascii_lowercase()) || !name.chars().all(plain) {
        mistakes.at(
            literal.span(),
            format!("`{key}` is written like `create_item`: a lower-case letter, then lower-case letters, digits, `_` and `.`"),
        );
        return None;
    }
    Some(literal)
}

fn read_capture(value: &Expr, mistakes: &mut Mistakes) -> Option<Capture> {
    let key = Ident::new("capture", value.span());
    let literal = string(&key, value, mistakes)?;
    match literal.value().as_str() {
        "metadata" => Some(Capture::Metadata),
        "request" => Some(Capture::Request),
        "response" => Some(Capture::Response),
        "all" => Some(Capture::All),
        other => {
            mistakes.at(
                literal.span(),
                format!(
                    "`capture` is \"metadata\", \"request\", \"response\" or \"all\", not {other:?}"
                ),
            );
            None
        }
    }
}

fn string(key: &Ident, value: &Expr, mistakes: &mut Mistakes) -> Option<LitStr> {
    match value {
        Expr::Lit(ExprLit {
            lit: Lit::Str(literal),
            ..
        }) => Some(literal.clone()),
        _ => {
            mistakes.at(
                value.span(),
                format!("`{key}` is a string literal, so that it can be searched for in the code"),
            );
            None
        }
    }
}
