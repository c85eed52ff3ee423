//! Terminal sessions: each file under `sessions/` is run, and shows what a person would see.

#[test]
fn sessions() {
    trycmd::TestCases::new().case("tests/sessions/*.trycmd");
}
