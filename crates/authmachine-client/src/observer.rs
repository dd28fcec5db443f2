//! What happens in a sign-in, step by step, for those who want to watch: a developer's page, a log, a test.
//!
//! Secrets are masked here, before anybody else sees a step.

use std::time::SystemTime;

use serde_json::{Map, Value};

/// Watches the steps. Any `Fn(Step)` does.
pub trait Observer: Send + Sync {
    /// Called at each step, in order within one login. It must not block.
    fn step(&self, step: Step);
}

impl<F: Fn(Step) + Send + Sync> Observer for F {
    fn step(&self, step: Step) {
        self(step);
    }
}

/// One step of the protocol.
#[derive(Clone, Debug)]
pub struct Step {
    /// Which login it belongs to: the same as [`User::login_id`](crate::User::login_id) later.
    pub login_id: String,
    /// When it ended.
    pub at: SystemTime,
    /// Which step.
    pub kind: StepKind,
    /// What was sent.
    pub request: Option<Message>,
    /// What came back.
    pub response: Option<Message>,
    /// The ID token, decoded.
    pub token: Option<DecodedToken>,
    /// What was checked, in order. After one that failed there are no more.
    pub checks: Vec<Check>,
}

/// The steps, in the order of a sign-in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StepKind {
    /// The provider's metadata were read (OIDC Discovery §4).
    Discovery,
    /// The browser was sent to the provider (OIDC Core §3.1.2.1).
    AuthorizationRequest,
    /// The browser came back (OIDC Core §3.1.2.5).
    AuthorizationResponse,
    /// The code was redeemed (OIDC Core §3.1.3).
    TokenRequest,
    /// The provider's keys were read (RFC 7517 §5).
    Keys,
    /// The ID token was checked (OIDC Core §3.1.3.7).
    IdToken,
    /// The claims were read (OIDC Core §5.3).
    Userinfo,
    /// The session was sealed into cookies.
    Session,
    /// The provider was asked whether the access token still holds.
    TokenCheck,
    /// The browser was sent to the provider to log out (RP-Initiated Logout §2).
    Logout,
}

/// A request or response, without its secrets.
#[derive(Clone, Debug, Default)]
pub struct Message {
    /// `POST https://op.example/token`, `200 OK`, or a few words.
    pub line: String,
    /// Parameters or fields by name.
    pub fields: Vec<(String, String)>,
    /// The body, where it is JSON.
    pub json: Option<Value>,
}

/// A token's two readable parts.
#[derive(Clone, Debug)]
pub struct DecodedToken {
    /// The protected header.
    pub header: Map<String, Value>,
    /// The claims.
    pub claims: Map<String, Value>,
}

/// One rule that was checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// The rule.
    pub rule: &'static str,
    /// Whether it held.
    pub passed: bool,
}

/// The checks of one step as they are made.
#[derive(Debug, Default)]
pub(crate) struct Checks(pub(crate) Vec<Check>);

impl Checks {
    /// Notes `rule`, and fails with `error` if it did not hold.
    pub(crate) fn that<E>(&mut self, rule: &'static str, passed: bool, error: E) -> Result<(), E> {
        self.0.push(Check { rule, passed });
        if passed { Ok(()) } else { Err(error) }
    }

    /// Notes `rule` by `result`, and hands it on.
    pub(crate) fn ok<T, E>(&mut self, rule: &'static str, result: Result<T, E>) -> Result<T, E> {
        self.0.push(Check { rule, passed: result.is_ok() });
        result
    }
}

/// Members and parameters that grant something.
const SECRETS: [&str; 10] = [
    "access_token",
    "refresh_token",
    "id_token",
    "id_token_hint",
    "code",
    "code_verifier",
    "client_secret",
    "client_assertion",
    "token",
    "authorization",
];

/// `value`, unless `name` says it is a secret: then a few letters of it to recognise it by, or none of a password.
pub(crate) fn masked(name: &str, value: &str) -> String {
    let name = name.to_ascii_lowercase();
    match name.as_str() {
        "client_secret" | "authorization" => "•••".to_owned(),
        name if SECRETS.contains(&name) => {
            // A third of it at most, so that a short one does not show whole.
            let shown = value.chars().count().min(18) / 3;
            format!("{}…", value.chars().take(shown).collect::<String>())
        }
        _ => value.to_owned(),
    }
}

/// A JSON body with its secret members masked, at any depth.
pub(crate) fn masked_json(value: Value) -> Value {
    match value {
        Value::Object(members) => Value::Object(
            members
                .into_iter()
                .map(|(name, value)| {
                    let value = match value {
                        Value::String(text) => Value::String(masked(&name, &text)),
                        other => masked_json(other),
                    };
                    (name, value)
                })
                .collect(),
        ),
        Value::Array(items) => items.into_iter().map(masked_json).collect(),
        other => other,
    }
}

impl Message {
    pub(crate) fn new(line: impl Into<String>) -> Self {
        Self { line: line.into(), ..Self::default() }
    }

    pub(crate) fn with_fields<'a>(mut self, fields: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        self.fields.extend(fields.into_iter().map(|(name, value)| (name.to_owned(), masked(name, value))));
        self
    }

    pub(crate) fn with_json(mut self, json: Value) -> Self {
        self.json = Some(masked_json(json));
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn lg1_steps_show_no_secret() {
        let secret = "s3cr3t-s3cr3t-s3cr3t-s3cr3t";
        for name in SECRETS {
            let shown = Message::new("POST").with_fields([(name, secret)]).with_json(json!({
                name: secret, "deep": [{name: secret}]
            }));
            assert!(!format!("{shown:?}").contains(&secret[..8]), "{name}: {shown:?}");
        }
        assert_eq!(masked("code", "ab"), "…");
        assert_eq!(masked("Authorization", "Basic dGVzdDp0ZXN0"), "•••");
        assert_eq!(masked("state", "abc"), "abc");
    }
}
