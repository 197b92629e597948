//! What is written between the parentheses: `key = value`, separated by commas.

use syn::parse::{Parse, ParseStream};
use syn::punctuated::Punctuated;
use syn::{Expr, Ident, Token};

/// One `key = value`.
pub(crate) struct Argument {
    pub(crate) key: Ident,
    pub(crate) value: Expr,
}

impl Parse for Argument {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let key: Ident = input.parse()?;
        if !input.peek(Token![=]) {
            return Err(syn::Error::new(key.span(), format!("expected `{key} = …`")));
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
            value: input.parse()?,
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
