//! What annotations expand to, kept beside the code so that a change of it shows in
//! review. `INSTA_UPDATE=always cargo test -p audit-macros` writes them anew.

use proc_macro2::TokenStream;
use quote::quote;

use crate::auditable::{self, Strictness};
use crate::{Mode, audit};

/// What is written and what it becomes.
fn expanded(arguments: &TokenStream, item: &TokenStream) -> String {
    let mode = Mode {
        is_strict: false,
        is_last: false,
    };
    beside(
        &quote!(#[audited(#arguments)] #item),
        &audit(arguments.clone(), item.clone(), mode),
    )
}

fn derived(item: &TokenStream) -> String {
    let input = syn::parse2(item.clone()).unwrap();
    beside(
        &quote!(#[derive(Auditable)] #item),
        &auditable::derive(&input, Strictness::Lenient),
    )
}

fn beside(input: &TokenStream, output: &TokenStream) -> String {
    format!("{}\n// becomes\n\n{}", printed(input), printed(output))
}

fn printed(tokens: &TokenStream) -> String {
    prettyplease::unparse(&syn::parse2(tokens.clone()).unwrap())
}

/// Names the snapshot after its test.
macro_rules! assert_snapshot {
    ($expansion:expr) => {{
        let mut settings = insta::Settings::clone_current();
        settings.set_prepend_module_to_snapshot(false);
        settings.set_omit_expression(true);
        settings.bind(|| insta::assert_snapshot!($expansion));
    }};
}

#[test]
fn a_handler_without_arguments() {
    let item = quote! {
        async fn handler() -> HttpResponse {
            HttpResponse::Ok().finish()
        }
    };
    let arguments = quote!(action = "ping");
    assert_snapshot!(expanded(&arguments, &item));
}

#[test]
fn every_key_and_a_generic_handler() {
    let item = quote! {
        /// Pays.
        #[allow(clippy::unused_async)]
        pub(crate) async fn pay<B: Bank, const LIMIT: u32>(
            id: Path<u32>,
            Json(Payment { amount, pin }): Json<Payment>,
            bank: Data<B>,
        ) -> Result<Json<Receipt>, BankError>
        where
            B: Clone,
        {
            bank.pay(*id, amount, pin).await
        }
    };
    let arguments = quote! {
        action = "pay", resource = "account", resource_id = id, capture = "all",
        durability = "power_loss", unavailable = "allow", skip(pin), strict
    };
    assert_snapshot!(expanded(&arguments, &item));
}

#[test]
fn others_go_first() {
    let item = quote! {
        #[post("/")]
        #[doc = "Pays."]
        async fn pay(amount: Json<u32>) -> impl Responder {
            HttpResponse::Ok()
        }
    };
    let arguments = quote!(action = "pay");
    assert_snapshot!(expanded(&arguments, &item));
}

#[test]
fn a_mistake_leaves_the_handler_in_place() {
    let item = quote! {
        async fn pay(amount: Json<u32>) -> impl Responder {
            HttpResponse::Ok()
        }
    };
    let arguments = quote!(action = "Pay", reason = "none");
    assert_snapshot!(expanded(&arguments, &item));
}

#[test]
fn a_type_with_all_classes() {
    let item = quote! {
        #[serde(rename_all = "camelCase")]
        struct SignUp<T> {
            #[audit(plain)]
            name: String,
            #[audit(secret)]
            first_pet: String,
            #[audit(mask)]
            #[serde(alias = "account")]
            iban: String,
            #[audit(hash)]
            mail: String,
            #[audit(skip)]
            portrait: Vec<u8>,
            #[serde(flatten)]
            rest: T,
        }
    };
    assert_snapshot!(derived(&item));
}
