//! Who is signed in.

use std::{fmt, sync::Arc};

use serde_json::{Map, Value};

use crate::{Forbidden, Permissions, TokenStatus, session::Session};

/// The signed-in user. As an argument of an axum handler it is the protection: a page load without one is sent to log
/// in and back, a script gets 401. An `Option<User>` is for pages that anybody may see.
#[derive(Clone)]
pub struct User {
    session: Arc<Session>,
    permissions: Arc<Permissions>,
    token_status: TokenStatus,
}

impl User {
    pub(crate) fn new(session: Session, token_status: TokenStatus) -> Self {
        let permissions = Permissions::from_claims(&session.claims);
        Self { session: Arc::new(session), permissions: Arc::new(permissions), token_status }
    }

    /// `sub`: who this is at the provider, for ever.
    pub fn subject(&self) -> &str {
        self.text("sub").unwrap_or_default()
    }

    /// The name to ask [`PermissionsApi`](crate::PermissionsApi) by: claim `id`, else `sub`.
    pub fn id(&self) -> &str {
        self.text("id").unwrap_or(self.subject())
    }

    /// A name to show: the first there is of `preferred_username`, `name`, `email` and `sub`. It tells nobody apart;
    /// [`User::subject`] does.
    pub fn name(&self) -> &str {
        let claims = ["preferred_username", "name", "email"].into_iter();
        claims.filter_map(|name| self.text(name)).find(|name| !name.is_empty()).unwrap_or(self.subject())
    }

    /// What the provider said about the user at sign-in: userinfo, over the ID token's claims.
    pub fn claims(&self) -> &Map<String, Value> {
        &self.session.claims
    }

    /// One of the [`claims`](User::claims).
    pub fn claim(&self, name: &str) -> Option<&Value> {
        self.session.claims.get(name)
    }

    fn text(&self, name: &str) -> Option<&str> {
        self.claim(name)?.as_str()
    }

    /// Permissions on the objects that [`LoginBuilder::objects`](crate::LoginBuilder::objects) named, as they were at
    /// sign-in. For those of now ask [`PermissionsApi`](crate::PermissionsApi).
    pub fn permissions(&self) -> &Permissions {
        &self.permissions
    }

    /// `Ok` only if the user holds `permission_type` on `object`; see [`Permissions::require`].
    ///
    /// # Errors
    /// [`Forbidden`], which axum answers with 403.
    pub fn require(&self, permission_type: &str, object: &str) -> Result<(), Forbidden> {
        self.permissions.require(permission_type, object)
    }

    /// What the provider said about the access token at this request.
    pub fn token_status(&self) -> TokenStatus {
        self.token_status
    }

    /// Names the login that began this session, as in [`Step::login_id`](crate::Step::login_id). No secret.
    pub fn login_id(&self) -> &str {
        &self.session.login_id
    }
}

impl fmt::Debug for User {
    /// Without claims, which are personal, and without the token.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("User").field("subject", &self.subject()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use authmachine_protocol::Timestamp;
    use serde_json::json;

    fn user(claims: Value) -> User {
        let session = Session {
            login_id: "l-1".to_owned(),
            access_token: "hidden".to_owned(),
            claims: claims.as_object().expect("an object").clone(),
            signed_in_at: Timestamp::from_seconds(0),
            expires_at: Timestamp::from_seconds(1),
        };
        User::new(session, TokenStatus::Alive)
    }

    #[test]
    fn a_user_has_a_name_whatever_the_provider_says() {
        for (claims, name, id) in [
            (json!({"sub": "u", "id": "i", "preferred_username": "p", "name": "n", "email": "e"}), "p", "i"),
            (json!({"sub": "u", "preferred_username": "", "name": "n", "email": "e"}), "n", "u"),
            (json!({"sub": "u", "name": ["n"], "email": "e"}), "e", "u"),
            (json!({"sub": "u", "id": 7}), "u", "u"),
        ] {
            let user = user(claims.clone());
            assert_eq!((user.name(), user.id(), user.subject()), (name, id, "u"), "{claims}");
        }
        let shown = format!("{:?}", user(json!({"sub": "u", "email": "e@example.com"})));
        assert!(!shown.contains("hidden") && !shown.contains("e@"), "{shown}");
    }
}
