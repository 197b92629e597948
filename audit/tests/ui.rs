//! What the compiler says about mistakes: one file for each, named after it.

#[test]
fn every_mistake_has_a_message_of_its_own() {
    let cases = trybuild::TestCases::new();
    cases.compile_fail("tests/ui/audited/*.rs");
    cases.compile_fail("tests/ui/auditable/*.rs");
    cases.compile_fail("tests/ui/strict/*.rs");
}
