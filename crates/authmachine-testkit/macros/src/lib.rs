//! The attribute of tests that run on both engines; see `authmachine_testkit::both_engines`.

use proc_macro::{TokenStream, TokenTree};

/// Makes two tests of an `async fn` without arguments: `name::sqlite` and `name::postgres`. Inside, `TestServer::start` starts on
/// the engine of the test.
#[proc_macro_attribute]
pub fn both_engines(_: TokenStream, test: TokenStream) -> TokenStream {
    tests(test, &[("sqlite", "Sqlite"), ("postgres", "Postgres")])
}

/// Makes one test of an `async fn` without arguments, `name::postgres`: for what an embedded database cannot do.
#[proc_macro_attribute]
pub fn on_postgres(_: TokenStream, test: TokenStream) -> TokenStream {
    tests(test, &[("postgres", "Postgres")])
}

fn tests(test: TokenStream, engines: &[(&str, &str)]) -> TokenStream {
    let is_fn = |token: &TokenTree| token.to_string() == "fn";
    let name = test
        .clone()
        .into_iter()
        .skip_while(|token| !is_fn(token))
        .nth(1)
        .expect("the attribute stands before a function");
    let on = |(engine, variant): &(&str, &str)| {
        format!(
            "#[test] fn {engine}() {{
                ::authmachine_testkit::run(::authmachine_testkit::Engine::{variant}, super::{name}());
            }}"
        )
    };
    let tests = format!("mod {name} {{ {} }}", engines.iter().map(on).collect::<String>());
    let tests: TokenStream = tests.parse().expect("the tests are Rust");
    test.into_iter().chain(tests).collect()
}
