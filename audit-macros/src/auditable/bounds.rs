//! What the type parameters of a type have to say about themselves.

use proc_macro2::TokenStream;
use quote::ToTokens as _;
use syn::visit::{self, Visit};
use syn::{Generics, Ident, Type, TypeFnPtr, TypePath, TypeTraitObject, WhereClause, parse_quote};

use super::item::{Item, is_phantom};

/// The conditions of the type, and that every type parameter that occurs in a field
/// that is looked into meets `bound`; the same for `T::Item` and its like. std's own
/// derives do so too.
pub(super) fn condition(generics: &Generics, item: &Item, bound: &TokenStream) -> WhereClause {
    let mut mentions = Mentions {
        parameters: generics.type_params().map(|param| &param.ident).collect(),
        found: Vec::new(),
    };
    for field in item.fields() {
        if field.is_looked_into() && !field.foreign {
            mentions.visit_type(&field.ty);
        }
    }
    for other in item.others() {
        mentions.visit_type(other);
    }
    let mut condition = generics
        .where_clause
        .clone()
        .unwrap_or_else(|| parse_quote!(where));
    let mut seen = std::collections::HashSet::new();
    for found in mentions.found {
        if seen.insert(found.to_token_stream().to_string()) {
            condition.predicates.push(parse_quote!(#found: #bound));
        }
    }
    condition
}

/// Finds the parameters in a type, and the types that belong to one of them.
struct Mentions<'item> {
    parameters: Vec<&'item Ident>,
    found: Vec<Type>,
}

impl<'ast> Visit<'ast> for Mentions<'_> {
    fn visit_type_path(&mut self, node: &'ast TypePath) {
        let ty = || Type::Path(node.clone());
        if is_phantom(&ty()) {
            return;
        }
        if let Some(of) = &node.qself {
            let mut inner = Mentions {
                parameters: self.parameters.clone(),
                found: Vec::new(),
            };
            inner.visit_type(&of.ty);
            if !inner.found.is_empty() {
                self.found.push(ty());
            }
            return;
        }
        let first = node.path.segments.first().map(|first| &first.ident);
        if first.is_some_and(|first| self.parameters.contains(&first)) {
            self.found.push(ty());
        } else {
            visit::visit_type_path(self, node);
        }
    }

    // Neither of these has a JSON, whatever is known of the parameters in them.
    fn visit_type_fn_ptr(&mut self, _: &'ast TypeFnPtr) {}
    fn visit_type_trait_object(&mut self, _: &'ast TypeTraitObject) {}
}
