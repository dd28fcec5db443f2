//! The pages: data in, HTML out. Text of others comes in cleaned and bounded ([`Budget`]), and is escaped by the templates.

use std::time::SystemTime;

use askama::Template;
use authmachine_client::{Action, Error, ErrorKind, Page, Permissions, TokenStatus};
use serde_json::{Map, Value};

use crate::{
    shown::Budget,
    traces::{self, Row, ShownStep, Trace},
    when,
    words::{self, Words},
};

const NAME_BYTES: usize = 240;
const CLAIMS_BYTES: usize = 11_000;
const MATRIX_BYTES: usize = 7_000;
const DETAIL_BYTES: usize = 1_500;
/// What our own markup takes around one cell of a table.
const CELL_BYTES: usize = 25;
const MAX_TYPES: usize = 12;

/// For whoever is not signed in.
#[derive(Template)]
#[template(path = "welcome.html")]
pub(crate) struct Welcome;

/// For a signed-in user.
#[derive(Template)]
#[template(path = "home.html")]
pub(crate) struct Home {
    username: String,
    claims: Vec<Row>,
    status: Status,
    permissions: Live,
    by_api: Live,
    trace: Option<ShownTrace>,
}

/// The developer's page.
#[derive(Template)]
#[template(path = "last_login.html")]
pub(crate) struct LastLogin {
    username: String,
    trace: Option<ShownTrace>,
}

/// One thing to say, and what to do next.
#[derive(Template)]
#[template(path = "message.html")]
pub(crate) struct Message<'a> {
    title: &'a str,
    text: &'a str,
    fault: Option<Fault>,
    action: Option<Action<'a>>,
    /// The steps of the login that failed.
    trace: Option<ShownTrace>,
}

/// What a developer wants to know of an error.
struct Fault {
    turn: &'static str,
    detail: String,
}

/// Permissions at this request.
pub(crate) enum Live {
    /// There is nothing to ask with.
    Off,
    Known(Matrix),
    /// Why they are not known.
    Unknown(String),
}

/// Objects by permission types.
#[derive(Default)]
pub(crate) struct Matrix {
    types: Vec<String>,
    objects: Vec<Object>,
    is_cut: bool,
}

struct Object {
    code: String,
    /// By type, in the order of the types.
    held: Vec<bool>,
}

struct Status(TokenStatus);

struct ShownTrace(Trace);

/// What is known of a signed-in user.
pub(crate) struct Known<'a> {
    pub(crate) username: &'a str,
    pub(crate) claims: &'a Map<String, Value>,
    pub(crate) status: TokenStatus,
    /// By userinfo.
    pub(crate) permissions: Live,
    /// By the permissions API.
    pub(crate) by_api: Live,
    pub(crate) trace: Option<Trace>,
}

impl Home {
    pub(crate) fn new(known: Known<'_>) -> Self {
        let mut claims = known.claims.clone();
        // They have a table of their own.
        claims.remove("authmachine_permissions");
        Self {
            username: name(known.username),
            claims: traces::claims(&claims, &mut Budget::new(CLAIMS_BYTES)),
            status: Status(known.status),
            permissions: known.permissions,
            by_api: known.by_api,
            trace: known.trace.map(ShownTrace),
        }
    }
}

impl LastLogin {
    pub(crate) fn new(username: &str, trace: Option<Trace>) -> Self {
        Self { username: name(username), trace: trace.map(ShownTrace) }
    }
}

impl Live {
    pub(crate) fn new(answer: Result<Permissions, Error>) -> Self {
        match answer {
            Ok(permissions) => Self::Known(Matrix::new(&permissions)),
            Err(error) => Self::Unknown(Budget::new(DETAIL_BYTES).line(&error.to_string(), DETAIL_BYTES)),
        }
    }
}

impl<'a> Message<'a> {
    /// A page of the client crate's.
    pub(crate) fn of(page: &Page<'a>, trace: Option<Trace>) -> Self {
        let fault = page.error.map(Fault::of);
        Self {
            title: page.title,
            text: page.text,
            fault,
            action: Some(page.action),
            trace: trace.map(ShownTrace),
        }
    }

    pub(crate) fn not_found() -> Self {
        Self::plain("There is no such page", "The address may be mistyped, or the page is gone.")
    }

    pub(crate) fn wrong_method() -> Self {
        Self::plain("Not in this way", "This page can be opened, but nothing can be sent to it.")
    }

    fn plain(title: &'static str, text: &'static str) -> Self {
        Self { title, text, fault: None, action: None, trace: None }
    }

    /// Whether there is a form on the page.
    pub(crate) fn has_form(&self) -> bool {
        matches!(self.action, Some(Action::Button { .. }))
    }

    fn is_home(&self) -> bool {
        matches!(self.action, Some(Action::Link { href: "/", .. }))
    }
}

/// `path` if it is a path on this site, else the root: no link leaves it, whatever the caller was talked into.
fn own(path: &str) -> &str {
    let is_own = path.starts_with('/')
        && !path[1..].starts_with(['/', '\\'])
        && !path.contains(|c: char| c.is_control() || c == '\\');
    if is_own { path } else { "/" }
}

impl Fault {
    fn of(error: &Error) -> Self {
        let turn = match error.kind() {
            ErrorKind::User => "Yours. Log in if you want to.",
            ErrorKind::Provider => "The provider’s. It broke a rule.",
            ErrorKind::Operator => "The operator’s of this app. A setting is wrong, here or at the provider.",
            ErrorKind::TryAgain => "Nobody’s. The same again may succeed.",
        };
        Self { turn, detail: Budget::new(DETAIL_BYTES).line(&error.to_string(), DETAIL_BYTES) }
    }
}

/// A name for headings and sentences.
fn name(text: &str) -> String {
    let shown = Budget::new(NAME_BYTES).line(text, NAME_BYTES);
    if shown.trim().is_empty() { "somebody without a name".to_owned() } else { shown }
}

impl Matrix {
    pub(crate) fn new(permissions: &Permissions) -> Self {
        let mut budget = Budget::new(MATRIX_BYTES);
        let mut all: Vec<&str> =
            permissions.iter().flat_map(|(_, types)| types).map(String::as_str).collect();
        all.sort_unstable();
        all.dedup();
        let mut matrix = Self { is_cut: all.len() > MAX_TYPES, ..Self::default() };
        all.truncate(MAX_TYPES);
        for held in &all {
            matrix.types.push(budget.line(held, NAME_BYTES));
        }
        for (code, types) in permissions.iter() {
            let code = budget.line(code, NAME_BYTES);
            if code.is_empty() || !budget.spend(CELL_BYTES * (all.len() + 2)) {
                matrix.is_cut = true;
                break;
            }
            let held = all.iter().map(|one| types.iter().any(|held| held == one)).collect();
            matrix.objects.push(Object { code, held });
        }
        matrix
    }

    fn is_empty(&self) -> bool {
        self.objects.is_empty()
    }
}

impl Status {
    fn class(&self) -> &'static str {
        match self.0 {
            TokenStatus::Alive => "alive",
            TokenStatus::Unanswered => "unanswered",
            _ => "unknown",
        }
    }

    fn title(&self) -> &'static str {
        match self.0 {
            TokenStatus::Alive => "Your token is alive",
            TokenStatus::Unanswered => "The provider does not answer",
            _ => "Your token cannot be checked",
        }
    }

    fn text(&self) -> &'static str {
        match self.0 {
            TokenStatus::Alive => {
                "The provider was asked while this page was made. Log out elsewhere, reload, and you are logged out here."
            }
            TokenStatus::Unanswered => {
                "It was asked while this page was made. Your session is kept for five minutes since its last answer."
            }
            _ => {
                "This provider has no way to ask. A log-out elsewhere shows when the session here has run out."
            }
        }
    }
}

impl ShownTrace {
    fn all_steps(&self) -> impl Iterator<Item = &ShownStep> {
        self.0.all_steps()
    }

    fn start(&self) -> Option<SystemTime> {
        self.0.all_steps().map(|step| step.at).next()
    }

    fn after(&self, step: &ShownStep) -> String {
        self.start().map(|start| when::after(start, step.at)).unwrap_or_default()
    }

    /// One sentence or two about a login, if it is still known.
    fn summary_of(trace: &Option<Self>) -> String {
        let begun = trace.as_ref().and_then(|trace| Some((trace, trace.0.steps.first()?.at)));
        match begun {
            Some((trace, at)) => format!("{} It began on {}.", trace.summary(), when::utc_of(at)),
            None => "This login began before the app was started, or many came after it. Its steps are no longer kept."
                .to_owned(),
        }
    }

    /// `9 steps, 24 checks. All of them passed.`
    fn summary(&self) -> String {
        let (checks, failed) = self.0.checks();
        let steps = self.0.all_steps().count();
        let count = |n: usize, one: &str| format!("{n} {one}{}", if n == 1 { "" } else { "s" });
        let verdict = match (checks, failed) {
            (0, _) => String::new(),
            (_, 0) => " All of them passed.".to_owned(),
            (_, failed) => format!(" {failed} failed."),
        };
        format!("{}, {}.{verdict}", count(steps, "step"), count(checks, "check"))
    }

    fn is_cut(&self) -> bool {
        self.0.is_cut || self.0.is_used_up()
    }
}

impl ShownStep {
    fn words(&self) -> Words {
        words::of_step(self.kind)
    }

    fn has_failed(&self) -> bool {
        self.checks.iter().any(|check| !check.passed)
    }
}

#[cfg(test)]
mod tests;
