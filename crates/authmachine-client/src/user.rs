//! Who is signed in.

use std::{fmt, sync::Arc};

use serde_json::{Map, Value};

use crate::{Denied, Error, Forbidden, Login, Permissions, TokenStatus, session::Session};

/// The signed-in user. As an argument of an axum handler it is the protection: a page load without one is sent to log
/// in and back, a script gets 401. An `Option<User>` is for pages that anybody may see.
#[derive(Clone)]
pub struct User {
    session: Arc<Session>,
    token_status: TokenStatus,
    login: Login,
}

impl User {
    pub(crate) fn new(session: Session, token_status: TokenStatus, login: Login) -> Self {
        Self { session: Arc::new(session), token_status, login }
    }

    pub(crate) fn session(&self) -> &Session {
        &self.session
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

    /// What the user holds now on the objects that [`LoginBuilder::objects`](crate::LoginBuilder::objects) named. Userinfo
    /// is asked each time, but for what [`permission_cache`](crate::LoginBuilder::permission_cache) spares.
    ///
    /// # Errors
    /// An [`Error`] is no permission: `unwrap_or_default()` turns it into none.
    pub async fn permissions(&self) -> Result<Permissions, Error> {
        self.login.permissions_now(self).await
    }

    /// What the user holds now on `object`: any object, if there is an API token
    /// ([`LoginBuilder::api_token`](crate::LoginBuilder::api_token)), else one that
    /// [`LoginBuilder::objects`](crate::LoginBuilder::objects) named.
    ///
    /// # Errors
    /// An [`Error`] is no permission: `unwrap_or_default()` turns it into none.
    pub async fn permissions_on(&self, object: &str) -> Result<Vec<String>, Error> {
        self.login.permissions_on(self, object).await
    }

    /// `Ok` only if the user holds `permission_type` on `object` now; see [`User::permissions_on`].
    ///
    /// # Errors
    /// [`Denied`], which axum answers with 403, or with 503 where nobody knows.
    pub async fn require(&self, permission_type: &str, object: &str) -> Result<(), Denied> {
        let held = self.permissions_on(object).await?;
        if held.iter().any(|held| held == permission_type) {
            return Ok(());
        }
        Err(Forbidden { permission_type: permission_type.to_owned(), object: object.to_owned() }.into())
    }

    /// Permissions as they were at sign-in: to show, and not to decide by.
    pub fn permissions_at_sign_in(&self) -> Permissions {
        Permissions::from_claims(&self.session.claims)
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
        let login = Login::builder("https://op.example", "app").public_url("https://app.example").build();
        User::new(session, TokenStatus::Alive, login.expect("legal settings"))
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
