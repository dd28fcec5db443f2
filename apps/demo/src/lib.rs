//! The demo client app: sign in at an OpenID provider, see who you are and what you may do, and look at each step that
//! led there.
//!
//! It is built on the client crate alone, and says nothing to a provider itself: what it shows of a login comes from
//! the crate's [`Observer`](authmachine_client::Observer). What it keeps is in memory, and little.

mod assets;
mod headers;
mod pages;
mod serve;
mod shown;
mod traces;
mod when;
mod words;

use std::time::Duration;

use askama::Template;
use authmachine_client::{Error, Login, LoginBuilder, Permissions, User};
use axum::{
    Router,
    extract::State,
    http::{HeaderValue, StatusCode, header},
    middleware::map_response,
    response::{Html, IntoResponse, Response},
    routing::get,
};

use crate::{
    pages::{Home, Known, LastLogin, Live, Message, Welcome},
    traces::Traces,
};

pub use serve::serve;

/// The objects that are asked about where nobody says which.
pub const DEFAULT_OBJECTS: [&str; 2] = ["object1", "object2"];

/// More objects than this are not asked about in one call.
const MAX_OBJECTS: usize = 50;

#[derive(Clone)]
struct Demo {
    login: Login,
    traces: Traces,
}

/// The app as a router. It sets an observer and a look for the pages of the client crate; all else is `builder`'s.
///
/// # Errors
/// [`Error::Config`] names the setting that is wrong, and the cure.
pub fn app(builder: LoginBuilder) -> Result<Router, Error> {
    let traces = Traces::default();
    let watched = traces.clone();
    let login = builder
        .observer(traces.clone())
        // Who takes a permission away and reloads sees it gone.
        .permission_cache(Duration::ZERO)
        .pages(move |page| {
            let message = Message::of(&page, page.login_id.and_then(|login_id| watched.find(login_id)));
            html(StatusCode::OK, &message, message.has_form())
        })
        .build()?;
    let router = Router::new()
        .route("/", get(home))
        .route("/last-login", get(last_login))
        .route("/assets/{name}", get(assets::get))
        .fallback(not_found)
        .method_not_allowed_fallback(wrong_method)
        .with_state(Demo { login: login.clone(), traces });
    Ok(login.attach(router).layer(map_response(headers::complete)))
}

async fn home(State(demo): State<Demo>, user: Option<User>) -> Response {
    let Some(user) = user else { return html(StatusCode::OK, &Welcome, false) };
    let page = Home::new(Known {
        username: user.name(),
        claims: user.claims(),
        status: user.token_status(),
        permissions: live(user.permissions().await),
        by_api: demo.permissions_by_api(&user).await,
        trace: demo.traces.find(user.login_id()),
    });
    html(StatusCode::OK, &page, false)
}

/// Only for the browser that the login belongs to: its sealed cookie names it.
async fn last_login(State(demo): State<Demo>, user: User) -> Response {
    html(StatusCode::OK, &LastLogin::new(user.name(), demo.traces.find(user.login_id())), false)
}

impl Demo {
    async fn permissions_by_api(&self, user: &User) -> Live {
        // Without a token there is nothing to ask with, which is no error here.
        let Ok(api) = self.login.permissions_api() else { return Live::Off };
        let at_sign_in = user.permissions_at_sign_in();
        let objects: Vec<&str> = at_sign_in.iter().map(|(object, _)| object).take(MAX_OBJECTS).collect();
        live(api.of(user.id(), &objects).await)
    }
}

fn live(answer: Result<Permissions, Error>) -> Live {
    if let Err(error) = &answer {
        tracing::warn!(%error, "No live permissions: {error}");
    }
    Live::new(answer)
}

async fn not_found() -> Response {
    html(StatusCode::NOT_FOUND, &Message::not_found(), false)
}

async fn wrong_method() -> Response {
    html(StatusCode::METHOD_NOT_ALLOWED, &Message::wrong_method(), false)
}

/// A page of ours. One with a form may not say where forms go: browsers apply that to the redirects that follow, and
/// a log-out ends at the provider.
fn html(status: StatusCode, page: &impl Template, has_form: bool) -> Response {
    let page = page.render().expect("our templates write into a string and call nothing that fails");
    let policy = if has_form { headers::POLICY_WITH_FORM } else { headers::POLICY };
    let headers = [(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(policy))];
    (status, headers, Html(page)).into_response()
}
