//! What a person may do and why, what they lend, and what was lent to them.

mod end;
mod known;
mod lend;
mod lists;
mod why;

pub use end::end;
pub use lend::{Right, get as get_lend, is_recent, lend};

use std::collections::HashMap;

use authmachine_pages::{ObjectLine, Permissions, RightLine, paths};
use authmachine_protocol::{Params, form};
use authmachine_provider::ids::{DelegationId, UserId};
use axum::extract::{RawQuery, State};
use axum::http::HeaderMap;
use axum::response::Response;

use crate::account::root::{Done, FORM};
use crate::app::App;
use crate::browser::{self, Browser, SignedIn};
use crate::error::PageError;
use crate::middleware::page_result;
use known::Held;
use lists::Lists;

/// Where the lists on the page begin.
#[derive(Default)]
struct Asked {
    after: String,
    received_after: Option<DelegationId>,
    given_after: Option<DelegationId>,
    done: Option<Done>,
}

impl Asked {
    /// Reads the page's query; whatever else it says is nothing.
    fn of_query(query: Option<&str>) -> Self {
        let Ok(params) = Params::parse(query.unwrap_or_default().as_bytes()) else { return Self::default() };
        let id = |name| params.get(name).and_then(|text| text.parse().ok()).map(DelegationId);
        Self {
            after: params.get("after").unwrap_or_default().to_owned(),
            received_after: id("received_after"),
            given_after: id("given_after"),
            done: Done::of_query(query),
        }
    }
}

/// `GET /account/permissions`.
pub async fn get(State(app): State<App>, RawQuery(query): RawQuery, headers: HeaderMap) -> Response {
    let result = show(&app, &headers, Asked::of_query(query.as_deref())).await;
    page_result(&app, &headers, result)
}

async fn show(app: &App, headers: &HeaderMap, asked: Asked) -> Result<Response, PageError> {
    let browser = Browser::read(app, headers);
    let Some(SignedIn { user, .. }) =
        browser::session(app, &browser).await?.filter(|signed_in| signed_in.is_live)
    else {
        return Ok(browser::see_other(paths::LOGIN));
    };
    let (id, now) = (user.id, app.now());
    let Asked { after, received_after, given_after, done } = asked;
    let lists = app.store.read(move |reads| Lists::read(reads, id, received_after, given_after, now)).await?;
    let idle = lists.to_be_asked();
    let held = known::held(app, id, after, idle, now).await?;
    let (held, names) = app
        .store
        .read({
            let held = std::sync::Arc::new(held);
            move |reads| {
                let mut names = Names::default();
                for user in held.givers() {
                    if let Some(giver) = reads.find_user(user)? {
                        names.users.insert(user, giver.username);
                    }
                }
                for code in held.objects.iter().map(|(code, _)| code) {
                    if let Some(object) = reads.find_object(code)?.filter(|object| object.name != *code) {
                        names.objects.insert(code.clone(), object.name);
                    }
                }
                Ok((held.clone(), names))
            }
        })
        .await?;
    let Lists { received, more_received, given, more_given } = lists;
    let page = Permissions {
        csrf: browser.form_token(app, FORM),
        notice: done.and_then(Done::notice),
        are_too_many: held.are_too_many,
        more_objects: held.objects.last().filter(|_| held.has_more).map(|(code, _)| next("after", code)),
        objects: lines(&held, &names),
        received: received.iter().map(|line| line.view(&held.idle)).collect(),
        more_received: more_received.map(|id| next("received_after", &id.to_string())),
        given: given.iter().map(|line| line.view(&held.idle)).collect(),
        more_given: more_given.map(|id| next("given_after", &id.to_string())),
    };
    let html = page.render(&browser::chrome(app, browser::lang(headers, None)));
    Ok(browser.keep(app, browser::html(html)))
}

/// What people call things.
#[derive(Default)]
struct Names {
    users: HashMap<UserId, String>,
    objects: HashMap<String, String>,
}

fn lines(held: &Held, names: &Names) -> Vec<ObjectLine> {
    let name = |user: UserId| names.users.get(&user).cloned().unwrap_or_default();
    let line = |(code, rights): &(String, Vec<known::HeldRight>)| ObjectLine {
        name: names.objects.get(code).cloned().unwrap_or_default(),
        rights: rights
            .iter()
            .map(|right| RightLine {
                permission: right.permission.clone(),
                why: right.by.as_ref().map(|by| why::view(by, &name)),
                lend: right.may_be_lent.then(|| Right::new(code, &right.permission).location()),
            })
            .collect(),
        code: code.clone(),
    };
    held.objects.iter().map(line).collect()
}

fn next(name: &str, value: &str) -> String {
    format!("{}?{}", paths::PERMISSIONS, form::encode([(name, value)]))
}
