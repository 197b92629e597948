//! What an annotation means, or everything that is wrong with it.

use proc_macro2::Span;
use syn::ext::IdentExt;
use syn::parse::Parser as _;
use syn::punctuated::Punctuated;
use syn::spanned::Spanned as _;
use syn::visit::{self, Visit};
use syn::{
    Attribute, Expr, ExprLit, FnArg, Ident, Lit, LitStr, PatIdent, PatType, Safety, Token, Type,
};

use crate::args::{Argument, Value};
use crate::handler::Handler;
use crate::mistakes::Mistakes;

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
    /// For each argument of the handler, whether it is never captured.
    pub(crate) skipped: Vec<bool>,
    /// Whether all payloads must be classified.
    pub(crate) is_strict: bool,
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
    ("transaction", "Transaction"),
];
const UNAVAILABLES: Choices = &[("refuse", "Refuse"), ("allow", "Allow")];

const KEYS: &str = "`action`, `resource`, `resource_id`, `capture`, `durability`, `unavailable`, `skip` and `strict`";
const LONGEST_NAME: usize = 64;
/// How many arguments Actix-web's handlers may have.
const EXTRACTORS: usize = 16;

pub(crate) fn validate(
    arguments: syn::Result<Vec<Argument>>,
    handler: &Handler,
) -> syn::Result<Audited> {
    let mut mistakes = Mistakes::default();
    check_handler(handler, &mut mistakes);
    let arguments = match arguments {
        Ok(arguments) => Some(read(arguments, handler, &mut mistakes)),
        Err(error) => {
            mistakes.add(error);
            None
        }
    };
    match (mistakes.into_error(), arguments.flatten()) {
        (None, Some(audited)) => Ok(audited),
        (Some(errors), _) => Err(errors),
        // `read` gives nothing only after it has said why.
        (None, None) => Err(syn::Error::new(
            Span::call_site(),
            "the annotation cannot be read",
        )),
    }
}

fn check_handler(handler: &Handler, mistakes: &mut Mistakes) {
    let signature = &handler.signature;
    if signature.asyncness.is_none() {
        mistakes.at(
            signature.fn_token.span(),
            "#[audited] needs an `async fn`, as Actix-web does: write `async` before `fn`",
        );
    }
    if let Some(constness) = &signature.constness {
        mistakes.at(constness.span(), "a handler cannot be `const`: remove it");
    }
    if let Safety::Unsafe(keyword) = &signature.safety {
        mistakes.at(
            keyword.span(),
            "a handler cannot be `unsafe`, because anybody may call it: remove it",
        );
    }
    if let Some(abi) = &signature.abi {
        mistakes.at(
            abi.span(),
            "a handler has Rust's own calling convention: remove it",
        );
    }
    if let Some(FnArg::Receiver(receiver)) = signature.inputs.first() {
        mistakes.at(
            receiver.span(),
            "#[audited] works on functions, not on methods: take what `self` holds as `web::Data`",
        );
    }
    for argument in handler.arguments() {
        if let Some(condition) = argument
            .attrs
            .iter()
            .find(|attribute| attribute.path().is_ident("cfg"))
        {
            mistakes.at(
                condition.span(),
                "#[audited] cannot tell whether this argument is there: write two handlers, each with a `#[cfg]` of its own",
            );
        }
        if let Type::ImplTrait(implemented) = &*argument.ty {
            mistakes.at(
                implemented.span(),
                "an argument of a handler is an extractor, whose type must be named",
            );
        }
    }
    let arguments = handler.arguments().count();
    if arguments > EXTRACTORS {
        mistakes.at(
            signature.inputs.span(),
            format!("Actix-web takes {EXTRACTORS} arguments, not {arguments}: take some of them as one tuple"),
        );
    }
    for annotation in handler.annotations() {
        mistakes.at(
            annotation.span(),
            "one handler is one action: remove the second #[audited]",
        );
    }
}

fn read(arguments: Vec<Argument>, handler: &Handler, mistakes: &mut Mistakes) -> Option<Audited> {
    let mut action = None;
    let mut resource = None;
    let mut resource_id = None;
    let mut capture = None;
    let mut durability = None;
    let mut unavailable = None;
    let mut skipped = Vec::new();
    let mut is_strict = false;
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
            "action" => action = name(&key, value, mistakes),
            "resource" => resource = name(&key, value, mistakes),
            "resource_id" => resource_id = expression(&key, value, mistakes),
            "capture" => capture = choice(&key, value, CAPTURES, mistakes),
            "durability" => durability = choice(&key, value, DURABILITIES, mistakes),
            "unavailable" => unavailable = choice(&key, value, UNAVAILABLES, mistakes),
            "skip" => skipped = skip(&key, value, handler, mistakes),
            "strict" => is_strict = flag(&key, &value, mistakes),
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
    if durability == Some("Transaction")
        && unavailable == Some("Allow")
        && let Some(key) = named.iter().find(|key| *key == "unavailable")
    {
        mistakes.at(
            key.span(),
            "`unavailable = \"allow\"` lets attempts go without a record, and \
             `durability = \"transaction\"` none: remove one of them",
        );
    }
    if is_strict
        && matches!(capture, Some("Response" | "All"))
        && !is_named(&handler.signature.output)
    {
        mistakes.at(
            handler.signature.output.span(),
            "a strict handler whose response is captured names the type of its answer: \
             `Json<T>` or `Result<Json<T>, E>`",
        );
    }
    Some(Audited {
        action: action?,
        resource,
        resource_id,
        capture: capture.unwrap_or("Request"),
        durability,
        unavailable: unavailable.unwrap_or("Refuse"),
        skipped,
        is_strict,
    })
}

/// Whether the arguments could be extractors at all, by their number and form.
pub(crate) fn takes_extractors(handler: &Handler) -> bool {
    handler.arguments().count() <= EXTRACTORS
        && !handler.arguments().any(|argument| {
            let is_conditional = |attribute: &Attribute| attribute.path().is_ident("cfg");
            matches!(&*argument.ty, Type::ImplTrait(_)) || argument.attrs.iter().any(is_conditional)
        })
}

/// Which arguments of the handler are skipped, in their order.
fn skip(key: &Ident, value: Value, handler: &Handler, mistakes: &mut Mistakes) -> Vec<bool> {
    let names = match value {
        Value::Group(names) => Punctuated::<Ident, Token![,]>::parse_terminated
            .parse2(names)
            .ok(),
        Value::None | Value::Expression(_) => None,
    };
    let Some(names) = names.filter(|names| !names.is_empty()) else {
        mistakes.at(
            key.span(),
            "`skip` names arguments of the handler: `skip(password)`",
        );
        return Vec::new();
    };
    let names: Vec<Ident> = names.iter().map(IdentExt::unraw).collect();
    let known: Vec<Vec<Ident>> = handler.arguments().map(names_in).collect();
    for name in &names {
        if !known.iter().flatten().any(|known| known == name) {
            let known: Vec<String> = known
                .iter()
                .flatten()
                .map(|name| format!("`{name}`"))
                .collect();
            let known = match known.as_slice() {
                [] => "it has none".to_owned(),
                known => format!("there is {}", known.join(", ")),
            };
            mistakes.at(
                name.span(),
                format!("the handler has no argument `{name}` to skip: {known}"),
            );
        }
    }
    known
        .iter()
        .map(|known| known.iter().any(|name| names.contains(name)))
        .collect()
}

/// The names that an argument brings into scope: one, or several where its pattern
/// takes it apart.
fn names_in(argument: &PatType) -> Vec<Ident> {
    struct Names(Vec<Ident>);

    impl Visit<'_> for Names {
        fn visit_pat_ident(&mut self, pattern: &PatIdent) {
            self.0.push(pattern.ident.unraw());
            visit::visit_pat_ident(self, pattern);
        }
    }

    let mut names = Names(Vec::new());
    names.visit_pat(&argument.pat);
    names.0
}

/// Whether a type says its name, without `impl Trait` in it.
pub(crate) fn is_named(output: &syn::ReturnType) -> bool {
    struct Named(bool);

    impl Visit<'_> for Named {
        fn visit_type_impl_trait(&mut self, _: &syn::TypeImplTrait) {
            self.0 = false;
        }
    }

    let mut named = Named(true);
    named.visit_return_type(output);
    named.0
}

fn flag(key: &Ident, value: &Value, mistakes: &mut Mistakes) -> bool {
    if !matches!(value, Value::None) {
        mistakes.at(key.span(), format!("`{key}` stands alone, without a value"));
    }
    true
}

fn expression(key: &Ident, value: Value, mistakes: &mut Mistakes) -> Option<Expr> {
    match value {
        Value::Expression(value) => Some(value),
        Value::None | Value::Group(_) => {
            mistakes.at(key.span(), format!("expected `{key} = …`"));
            None
        }
    }
}

/// Names of actions and resources outlive the code, in records, queries and
/// dashboards, so they are kept plain.
fn name(key: &Ident, value: Value, mistakes: &mut Mistakes) -> Option<LitStr> {
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
    value: Value,
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

fn string(key: &Ident, value: Value, mistakes: &mut Mistakes) -> Option<LitStr> {
    let mut value = expression(key, value, mistakes)?;
    // What another macro has put in here stands in an invisible group.
    while let Expr::Group(group) = value {
        value = *group.expr;
    }
    match value {
        Expr::Lit(ExprLit {
            lit: Lit::Str(literal),
            ..
        }) => Some(literal),
        other => {
            mistakes.at(
                other.span(),
                format!("`{key}` is a string literal, so that it can be searched for in the code"),
            );
            None
        }
    }
}
