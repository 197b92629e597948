//! What is written between the parentheses: `key = value`, `key(…)` and `key`,
//! separated by commas.

use proc_macro2::TokenStream;
use syn::parse::{Parse, ParseStream};
use syn::punctuated::Punctuated;
use syn::{Expr, Ident, Token, parenthesized, token};

/// One argument.
pub(crate) struct Argument {
    pub(crate) key: Ident,
    pub(crate) value: Value,
}

/// What follows a key.
pub(crate) enum Value {
    /// Nothing.
    None,
    /// `= expression`.
    Expression(Expr),
    /// `(…)`.
    Group(TokenStream),
}

impl Parse for Argument {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let key: Ident = input.parse()?;
        if input.peek(token::Paren) {
            let group;
            parenthesized!(group in input);
            return Ok(Self {
                key,
                value: Value::Group(group.parse()?),
            });
        }
        if !input.peek(Token![=]) {
            return Ok(Self {
                key,
                value: Value::None,
            });
        }
        input.parse::<Token![=]>()?;
        if input.is_empty() || input.peek(Token![,]) {
            return Err(syn::Error::new(
                key.span(),
                format!("`{key} =` has no value"),
            ));
        }
        Ok(Self {
            key,
            value: Value::Expression(input.parse()?),
        })
    }
}

/// Reads all arguments; what they mean is not its concern.
pub(crate) fn parse(input: ParseStream<'_>) -> syn::Result<Vec<Argument>> {
    if input.peek(syn::LitStr) {
        return Err(input.error("name the action: `#[audited(action = \"…\")]`"));
    }
    Ok(Punctuated::<Argument, Token![,]>::parse_terminated(input)?
        .into_iter()
        .collect())
}
