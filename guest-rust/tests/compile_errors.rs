//! What the compiler says of operations that are none. After a change of the messages, see the
//! difference and run with `TRYBUILD=overwrite`.

#[test]
fn errors_say_what_to_do() {
    trybuild::TestCases::new().compile_fail("tests/compile_errors/*.rs");
}
