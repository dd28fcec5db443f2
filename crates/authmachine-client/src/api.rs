//! The provider's API, as far as a client application needs it.

use std::sync::Arc;

use authmachine_jose::strict_json;
use authmachine_protocol::form;
use bytes::Bytes;
use http::{Request, StatusCode, header};

use crate::{
    Error, Permissions,
    builder::Secret,
    http_client::{HttpClient, MAX_ANSWER_BYTES, bad_answer, send},
};

/// Asks AuthMachine what a user may do now; see [`Login::permissions_api`](crate::Login::permissions_api).
#[derive(Clone)]
pub struct PermissionsApi {
    http: Arc<dyn HttpClient>,
    issuer: String,
    token: Secret,
}

impl PermissionsApi {
    pub(crate) fn new(http: Arc<dyn HttpClient>, issuer: &str, token: Secret) -> Self {
        Self { http, issuer: issuer.to_owned(), token }
    }

    /// What the user with this [`id`](crate::User::id) may do on `objects`, or on all objects if none is named.
    ///
    /// # Errors
    /// An [`Error`] is no permission: `unwrap_or_default()` turns it into none.
    pub async fn of(&self, user_id: &str, objects: &[&str]) -> Result<Permissions, Error> {
        let query: Vec<_> = objects.iter().map(|code| ("object", *code)).collect();
        let url = format!("{}/api/scim/v1/Users/{}/permissions", self.issuer, segment(user_id)?);
        let request = Request::get(form::append_query(&url, query))
            .header(header::ACCEPT, "application/json")
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::AUTHORIZATION, format!("Token {}", self.token.reveal()));
        let answer = send(&*self.http, request, Bytes::new(), MAX_ANSWER_BYTES).await?;
        if answer.status() != StatusCode::OK {
            return Err(bad_answer(&url, &answer, "expected 200"));
        }
        let read = strict_json::parse_object(answer.body());
        let read = read.map_err(|e| bad_answer(&url, &answer, &format!("it is {e}")))?;
        Ok(Permissions::from_answer(&read, objects))
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
