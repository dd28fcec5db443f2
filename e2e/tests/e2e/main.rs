//! The built `authmachine` from outside: one file for each thing to be shown.

/// Makes a test of each of these functions for each engine.
macro_rules! on_each_engine {
    ($($test:ident),+ $(,)?) => {
        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                super::$test(authmachine_e2e::Engine::Sqlite).await;
            })+
        }
        mod postgres {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                if let Some(engine) = authmachine_e2e::Engine::postgres() {
                    super::$test(engine).await;
                }
            })+
        }
    };
}

mod browser;
mod demo;
mod interoperability;
mod kill9;
mod library;
mod logout;
mod node;
mod operations;
mod pyoidc;
mod python;
mod registered;
mod scripts;
mod spa;
mod xs2;
