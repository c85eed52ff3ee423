//! Terminal sessions: each file under `sessions/` is run, and shows what a person would see.

#[test]
fn sessions() {
    // Reports name the version, which must not be in every session.
    let cases = trycmd::TestCases::new();
    cases.insert_var("[VERSION]", env!("CARGO_PKG_VERSION")).unwrap();
    cases.case("tests/sessions/*.trycmd");
}
