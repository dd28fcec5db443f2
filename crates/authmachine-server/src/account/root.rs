//! The person's own page: who is signed in, and where.

use authmachine_pages::{LoggedOut, Notice, Root, RootSignedOut, SessionLine};
use authmachine_protocol::Params;
use authmachine_provider::browser_session::{Session, Standing};
use axum::extract::{RawQuery, State};
use axum::http::HeaderMap;
use axum::response::Response;

use crate::app::App;
use crate::browser::{self, Browser, SignedIn};
use crate::error::PageError;
use crate::middleware::page_result;

/// The name of the forms on this page, for their anti-forgery token.
pub const FORM: &str = "account";
/// Sessions that are listed.
const MAX_SESSIONS: usize = 50;

/// What was just done, as a redirect to this page says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Done {
    /// The password is a new one.
    PasswordChanged,
    /// One session has ended.
    SessionEnded,
    /// All other sessions have ended.
    OtherSessionsEnded,
    /// This browser's session has ended.
    SignedOut,
    /// Something is lent.
    Lent,
    /// What was lent is taken back.
    TakenBack,
    /// What was lent is given back.
    GivenBack,
}

impl Done {
    const ALL: [Self; 7] = [
        Self::PasswordChanged,
        Self::SessionEnded,
        Self::OtherSessionsEnded,
        Self::SignedOut,
        Self::Lent,
        Self::TakenBack,
        Self::GivenBack,
    ];

    /// A page's address with the word for it: fixed words, which anybody may type, and which do nothing but show a sentence.
    pub const fn location(self) -> &'static str {
        match self {
            Self::PasswordChanged => "/?done=password",
            Self::SessionEnded => "/?done=session",
            Self::OtherSessionsEnded => "/?done=other-sessions",
            Self::SignedOut => "/?done=sign-out",
            Self::Lent => "/account/permissions?done=lent",
            Self::TakenBack => "/account/permissions?done=taken-back",
            Self::GivenBack => "/account/permissions?done=given-back",
        }
    }

    /// Reads the page's query; whatever else it says is nothing.
    pub(super) fn of_query(query: Option<&str>) -> Option<Self> {
        let params = Params::parse(query?.as_bytes()).ok()?;
        let word = params.get("done")?;
        Self::ALL.into_iter().find(|done| done.location().ends_with(&format!("={word}")))
    }

    pub(super) const fn notice(self) -> Option<Notice> {
        match self {
            Self::PasswordChanged => Some(Notice::PasswordChanged),
            Self::SessionEnded => Some(Notice::SessionEnded),
            Self::OtherSessionsEnded => Some(Notice::OtherSessionsEnded),
            Self::Lent => Some(Notice::Lent),
            Self::TakenBack => Some(Notice::TakenBack),
            Self::GivenBack => Some(Notice::GivenBack),
            Self::SignedOut => None,
        }
    }
}

/// `GET /`.
pub async fn get(State(app): State<App>, RawQuery(query): RawQuery, headers: HeaderMap) -> Response {
    let result = show(&app, &headers, Done::of_query(query.as_deref())).await;
    page_result(&app, &headers, result)
}

async fn show(app: &App, headers: &HeaderMap, done: Option<Done>) -> Result<Response, PageError> {
    let browser = Browser::read(app, headers);
    let chrome = browser::chrome(app, browser::lang(headers, None));
    let Some(SignedIn { session: current, user, .. }) =
        browser::session(app, &browser).await?.filter(|signed_in| signed_in.is_live)
    else {
        return Ok(browser::html(match done {
            Some(Done::SignedOut) => LoggedOut.render(&chrome),
            _ => RootSignedOut.render(&chrome),
        }));
    };
    let id = user.id;
    let mut sessions = app.store.read(move |reads| reads.list_sessions_of(id)).await?;
    let now = app.now();
    sessions.retain(|session| session.standing(&user, &app.settings.lives, now) == Standing::Live);
    // This browser's comes first, the others stay newest first.
    sessions.sort_by_key(|session| session.id != current.id);
    sessions.truncate(MAX_SESSIONS);
    let root = Root {
        username: user.username.clone(),
        name: user.claims.get("name").and_then(|name| name.as_str()).unwrap_or_default().to_owned(),
        sessions: sessions.into_iter().map(|session| line(session, &current)).collect(),
        csrf: browser.form_token(app, FORM),
        notice: done.and_then(Done::notice),
    };
    Ok(browser.keep(app, browser::html(root.render(&chrome))))
}

fn line(session: Session, current: &Session) -> SessionLine {
    SessionLine {
        current: session.id == current.id,
        id_form_value: session.sid,
        signed_in_at_ms: session.auth_time.ms(),
        last_seen_at_ms: session.last_seen_at.ms(),
        address: session.address,
        user_agent: session.user_agent,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_notice_is_one_of_our_words_and_nothing_else() {
        for done in Done::ALL {
            let (_, query) = done.location().split_once('?').expect("a query");
            assert_eq!(Done::of_query(Some(query)), Some(done));
        }
        for other in [
            "",
            "done",
            "done=",
            "done=x",
            "done=password&done=password",
            "done=%",
            "done=/%3Fdone=password",
            "x=password",
        ] {
            assert_eq!(Done::of_query(Some(other)), None, "{other}");
        }
        assert_eq!(Done::of_query(None), None);
    }
}
