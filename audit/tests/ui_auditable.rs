//! What the compiler says about a mistake in `#[derive(Auditable)]`.

#[test]
fn every_mistake_has_a_message_of_its_own() {
    trybuild::TestCases::new().compile_fail("tests/ui_auditable/*.rs");
}
