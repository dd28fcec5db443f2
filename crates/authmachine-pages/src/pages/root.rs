//! The person's own page, and the welcome for whoever is not signed in.

use crate::{
    text::{Rich, Text},
    time::Minute,
};

/// «Signed in as …»: own sessions, password, way out. Its forms post to [`crate::paths`].
pub struct Root {
    /// The name the person signs in with.
    pub username: String,
    /// The name the person goes by; the username if there is none.
    pub name: String,
    /// The person's live sessions.
    pub sessions: Vec<SessionLine>,
    /// Binds the forms to the browser that was shown them.
    pub csrf: String,
    /// What was just done.
    pub notice: Option<Notice>,
}

/// One session of the person who looks at the page.
pub struct SessionLine {
    /// Sent as `session` to [`crate::paths::END_SESSION`]; names the session to the server, opens nothing by itself.
    pub id_form_value: String,
    /// Unix milliseconds.
    pub signed_in_at_ms: i64,
    /// Unix milliseconds.
    pub last_seen_at_ms: i64,
    /// Where the person signed in from.
    pub address: String,
    /// As the browser sent it; shown in words, or as it is if it says nothing we know.
    pub user_agent: String,
    /// Whether it is this browser's.
    pub current: bool,
}

/// Something that worked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Notice {
    /// The password is a new one; other sessions have ended.
    PasswordChanged,
    /// One session has ended.
    SessionEnded,
    /// All other sessions have ended.
    OtherSessionsEnded,
    /// Something is lent.
    Lent,
    /// What the person lent is taken back.
    TakenBack,
    /// What was lent to the person is given back.
    GivenBack,
}

/// The welcome page.
pub struct RootSignedOut;

page!(Root, "root.html");
page!(RootSignedOut, "root_signed_out.html");

impl Root {
    fn shown_name(&self) -> &str {
        if self.name.trim().is_empty() { &self.username } else { &self.name }
    }

    fn has_others(&self) -> bool {
        self.sessions.iter().any(|session| !session.current)
    }
}

impl Notice {
    pub(crate) fn message(self, t: &Text) -> Rich {
        let key = match self {
            Self::PasswordChanged => "notice-password-changed",
            Self::SessionEnded => "notice-session-ended",
            Self::OtherSessionsEnded => "notice-other-sessions-ended",
            Self::Lent => "notice-lent",
            Self::TakenBack => "notice-taken-back",
            Self::GivenBack => "notice-given-back",
        };
        t.rich(key, &[])
    }
}

pub(crate) fn rfc3339(unix_ms: i64) -> String {
    Minute::of_unix_ms(unix_ms).rfc3339()
}
