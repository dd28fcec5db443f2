//! The provider's API, as far as a client application needs it.

use std::sync::Arc;

use authmachine_protocol::form;
use bytes::Bytes;
use http::Method;

use crate::{
    Error, Permissions,
    answers::{Answers, Question},
    builder::Secret,
};

/// Asks AuthMachine what a user may do now; see [`Login::permissions_api`](crate::Login::permissions_api).
#[derive(Clone)]
pub struct PermissionsApi {
    answers: Arc<Answers>,
    issuer: String,
    authorization: Secret,
    at_least: Option<u64>,
}

impl PermissionsApi {
    pub(crate) fn new(answers: Arc<Answers>, issuer: &str, token: &Secret) -> Self {
        let authorization = Secret::new(format!("Token {}", token.reveal()));
        Self { answers, issuer: issuer.to_owned(), authorization, at_least: None }
    }

    /// Asks for answers that have seen `revision` of the permission data, which is what a write of permissions answers
    /// with: then nobody is told what held before that write. An older answer is an error.
    #[must_use]
    pub fn at_least(&self, revision: u64) -> Self {
        Self { at_least: Some(revision), ..self.clone() }
    }

    /// What the user with this [`id`](crate::User::id) may do on `objects`, or on all objects if none is named. Both
    /// forms of AuthMachine's answer are read: a map of objects, and one wrapped in `permissions`.
    ///
    /// # Errors
    /// An [`Error`] is no permission: `unwrap_or_default()` turns it into none.
    pub async fn of(&self, user_id: &str, objects: &[&str]) -> Result<Permissions, Error> {
        let query: Vec<_> = objects.iter().map(|code| ("object", *code)).collect();
        let url = format!("{}/api/scim/v1/Users/{}/permissions", self.issuer, segment(user_id)?);
        let question = Question {
            method: Method::GET,
            url: &form::append_query(&url, query),
            authorization: Some(&self.authorization),
            body: Bytes::new(),
            at_least: self.at_least,
        };
        self.answers.ask(question, |answer| Ok(Permissions::from_answer(&answer, objects))).await
    }
}

impl std::fmt::Debug for PermissionsApi {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PermissionsApi").field("issuer", &self.issuer).finish_non_exhaustive()
    }
}

/// `id` as one segment of a path, and no way to another path.
fn segment(id: &str) -> Result<String, Error> {
    if matches!(id, "" | "." | "..") {
        return Err(Error::Config(format!("{id:?} is no user id")));
    }
    let encoded = id.bytes().map(|byte| match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => char::from(byte).to_string(),
        other => format!("%{other:02X}"),
    });
    Ok(encoded.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_id_stays_one_segment() {
        for (id, expected) in [("u-1", "u-1"), ("a/../b?c#d", "a%2F..%2Fb%3Fc%23d"), ("ä %", "%C3%A4%20%25")]
        {
            assert_eq!(segment(id).as_deref(), Ok(expected));
        }
        for bad in ["", ".", ".."] {
            assert!(segment(bad).is_err());
        }
    }
}
