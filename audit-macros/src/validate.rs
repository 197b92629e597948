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
    /// The name of a variant of `audit`'s own enum, as are those below.
    pub(crate) capture: &'static str,
    /// Without it, the service decides.
    pub(crate) durability: Option<&'static str>,
    pub(crate) unavailable: &'static str,
}

/// What a key may say, and the variant it stands for.
type Choices = &'static [(&'static str, &'static str)];

const CAPTURES: Choices = &[
    ("metadata", "Metadata"),
    ("request", "Request"),
    ("response", "Response"),
    ("all", "All"),
];
const DURABILITIES: Choices = &[
    ("memory", "Memory"),
    ("crash", "Crash"),
    ("power_loss", "PowerLoss"),
];
const UNAVAILABLES: Choices = &[("refuse", "Refuse"), ("allow", "Allow")];

const KEYS: &str = "`action`, `resource`, `resource_id`, `capture`, `durability` and `unavailable`";
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
    let mut durability = None;
    let mut unavailable = None;
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
            "capture" => capture = choice(&key, &value, CAPTURES, mistakes),
            "durability" => durability = choice(&key, &value, DURABILITIES, mistakes),
            "unavailable" => unavailable = choice(&key, &value, UNAVAILABLES, mistakes),
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
        capture: capture.unwrap_or("Request"),
        durability,
        unavailable: unavailable.unwrap_or("Refuse"),
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

fn choice(
    key: &Ident,
    value: &Expr,
    choices: Choices,
    mistakes: &mut Mistakes,
) -> Option<&'static str> {
    let literal = string(key, value, mistakes)?;
    let said = literal.value();
    let chosen = choices.iter().find(|(name, _)| *name == said);
    if chosen.is_none() {
        let names: Vec<String> = choices
            .iter()
            .map(|(name, _)| format!("{name:?}"))
            .collect();
        let (last, others) = names.split_last()?;
        mistakes.at(
            literal.span(),
            format!("`{key}` is {} or {last}, not {said:?}", others.join(", ")),
        );
    }
    chosen.map(|(_, variant)| *variant)
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
