//! Test server, browser and client actors, builders and a fake clock.
//!
//! A test starts a [`TestServer`]: the real router over a real store of its own, called in process, with a clock that stands still.
//! Who acts on it is an actor: a [`Browser`] with its cookies, a [`ClientApp`] that redeems and refreshes, a program with an API
//! token, a [`WebSite`] that the server asks. When the server is dropped it checks that no handler panicked and that no secret it saw
//! go by stands in the log.
//!
//! ```ignore
//! #[both_engines]
//! async fn a_code_works_once() {
//!     let server = TestServer::start().await;
//!     let app = server.client("shop").create().await;
//!     let code = server.browser().log_in("alice").await.authorize(&app).await.code();
//!
//!     app.redeem(&code).await.ok();
//!     app.redeem(&code).await.assert_error(400, "invalid_grant");
//! }
//! ```

mod answer;
mod browser;
mod client;
mod clock;
mod database;
mod engine;
mod html;
mod keys;
mod logs;
mod permissions;
mod registration;
mod server;
mod site;
mod user;

pub use answer::Answer;
pub use authmachine_testkit_macros::{both_engines, on_postgres};
pub use browser::{Browser, Cookie, Site, Visit};
pub use client::{AuthorizeRequest, ClientApp, ClientAuth, ClientBuilder, TokenAnswer, Tokens};
pub use clock::{START, TestClock};
pub use database::Rows;
pub use engine::{Engine, run};
pub use html::{Form, forms, unescape};
pub use permissions::ApiClient;
pub use registration::RegisteredClient;
pub use server::{ISSUER, RequestBuilder, TestServer, fragment, query};
pub use site::{Received, WebSite, reach_loopback};
pub use user::{PASSWORD, UserBuilder};
