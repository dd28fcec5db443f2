//! A client at the provider: its registration, and the requests that its program would send.

use base64ct::{Base64UrlUnpadded, Encoding as _};
use reqwest::Method;
use serde_json::Value;
use url::Url;

use crate::http::{self, Answer, Lost};
use crate::provider::Provider;
use crate::visitor::{Stop, Visitor};

/// The registration of a client.
#[derive(Clone, Copy, Debug)]
pub struct NewClient<'a> {
    pub(crate) id: &'a str,
    /// None: a public client, unless it has keys.
    pub(crate) secret: Option<&'a str>,
    /// Where its public keys are.
    jwks_uri: Option<&'a str>,
    redirect_uri: &'a str,
    logout_uri: Option<&'a str>,
    more: &'a [&'a str],
}

/// A registered client.
#[derive(Clone, Debug)]
pub struct Client {
    /// `client_id`; empty before it is registered.
    pub id: String,
    /// The secret; empty for a public client.
    pub secret: String,
    /// Its one redirect URI.
    pub redirect_uri: String,
    issuer: String,
}

/// A token answer.
#[derive(Clone, Debug)]
pub struct Tokens {
    /// The access token.
    pub access: String,
    /// The refresh token, if one was given.
    pub refresh: Option<String>,
    /// The ID token, if one was given.
    pub id: Option<String>,
}

impl<'a> NewClient<'a> {
    pub(crate) fn arguments(&self) -> Vec<&'a str> {
        let mut arguments = vec!["client", "add", "--id", self.id, "--redirect-uri", self.redirect_uri];
        match (self.jwks_uri, self.secret) {
            (Some(uri), _) => arguments.extend(["--auth-method", "private_key_jwt", "--jwks-uri", uri]),
            (None, Some(_)) => arguments.push("--secret-stdin"),
            (None, None) => arguments.push("--public"),
        }
        if let Some(uri) = self.logout_uri {
            arguments.extend(["--post-logout-redirect-uri", uri]);
        }
        arguments.extend(self.more);
        arguments
    }

    /// With more flags of `client add`.
    #[must_use]
    pub fn with(self, more: &'a [&'a str]) -> Self {
        Self { more, ..self }
    }

    /// With an address to return to after logout.
    #[must_use]
    pub fn logout_uri(self, uri: &'a str) -> Self {
        Self { logout_uri: Some(uri), ..self }
    }

    /// Without a secret.
    #[must_use]
    pub fn public(self) -> Self {
        Self { secret: None, ..self }
    }

    /// With keys, which are at `uri`, in place of a secret (`private_key_jwt`).
    #[must_use]
    pub fn jwks_uri(self, uri: &'a str) -> Self {
        Self { secret: None, jwks_uri: Some(uri), ..self }
    }
}

impl Client {
    /// A confidential client, to be registered by [`Provider::add_client`].
    pub fn of<'a>(id: &'a str, redirect_uri: &'a str) -> NewClient<'a> {
        // As long as a secret has to be that nobody remembers.
        let secret = Some("end-to-end-secret-of-more-than-32-characters");
        NewClient { id, secret, jwks_uri: None, redirect_uri, logout_uri: None, more: &[] }
    }

    /// A client of which the provider has not heard: its program registers it.
    pub fn stranger(provider: &Provider, redirect_uri: &str) -> Self {
        let [id, secret] = [String::new(), String::new()];
        Self { id, secret, redirect_uri: redirect_uri.to_owned(), issuer: provider.issuer().to_owned() }
    }

    pub(crate) fn new(provider: &Provider, new: &NewClient<'_>) -> Self {
        Self {
            id: new.id.to_owned(),
            secret: new.secret.unwrap_or_default().to_owned(),
            redirect_uri: new.redirect_uri.to_owned(),
            issuer: provider.issuer().to_owned(),
        }
    }

    /// The same client, at another node of the provider.
    #[must_use]
    pub fn at(&self, node: &str) -> Self {
        Self { issuer: node.to_owned(), ..self.clone() }
    }

    /// An authorization request, with `more` parameters.
    pub fn authorize_url(&self, more: &[(&str, &str)]) -> String {
        let mut url = Url::parse(&format!("{}/oidc/authorize", self.issuer)).expect("the issuer is a URL");
        url.query_pairs_mut()
            .extend_pairs([
                ("client_id", self.id.as_str()),
                ("response_type", "code"),
                ("redirect_uri", &self.redirect_uri),
            ])
            .extend_pairs([("scope", "openid email profile"), ("state", "s"), ("nonce", "n")])
            .extend_pairs(more);
        url.into()
    }

    /// Sends a visitor through the authorization endpoint; the parameters that came back, as the redirect URI has them. Signs in
    /// as `name` where asked.
    ///
    /// # Errors
    /// [`Lost`].
    pub async fn authorize(
        &self,
        visitor: &mut Visitor,
        name: &str,
        password: &str,
        more: &[(&str, &str)],
    ) -> Result<Stop, Lost> {
        visitor.try_sign_in(&self.authorize_url(more), name, password, &[&self.redirect_uri]).await
    }

    /// A request to the token endpoint, with the secret in the body.
    ///
    /// # Errors
    /// [`Lost`].
    pub async fn token(&self, fields: &[(&str, &str)]) -> Result<Answer, Lost> {
        self.post("/oidc/token", fields).await
    }

    async fn post(&self, path: &str, fields: &[(&str, &str)]) -> Result<Answer, Lost> {
        let mut all = vec![("client_id", self.id.as_str())];
        if !self.secret.is_empty() {
            all.push(("client_secret", &self.secret));
        }
        all.extend(fields);
        http::send(http::form(&format!("{}{path}", self.issuer), &all)).await
    }

    /// Redeems a code.
    ///
    /// # Errors
    /// [`Lost`].
    pub async fn redeem(&self, code: &str) -> Result<Answer, Lost> {
        let fields = [
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", self.redirect_uri.as_str()),
        ];
        self.token(&fields).await
    }

    /// Uses a refresh token.
    ///
    /// # Errors
    /// [`Lost`].
    pub async fn refresh(&self, token: &str) -> Result<Answer, Lost> {
        self.token(&[("grant_type", "refresh_token"), ("refresh_token", token)]).await
    }

    /// Revokes a token (RFC 7009).
    ///
    /// # Errors
    /// [`Lost`].
    pub async fn revoke(&self, token: &str) -> Result<Answer, Lost> {
        self.post("/oidc/revoke", &[("token", token)]).await
    }

    /// Whether introspection calls a token active (RFC 7662).
    ///
    /// # Errors
    /// [`Lost`].
    pub async fn is_active(&self, token: &str) -> Result<bool, Lost> {
        let answer = self.post("/oidc/introspect", &[("token", token)]).await?.expect(200);
        Ok(answer.json()["active"].as_bool().expect("`active` is there (RFC 7662 §2.2)"))
    }

    /// Asks for user info.
    ///
    /// # Errors
    /// [`Lost`].
    pub async fn userinfo(&self, token: &str) -> Result<Answer, Lost> {
        http::send(http::request(Method::GET, &format!("{}/oidc/userinfo", self.issuer)).bearer_auth(token))
            .await
    }
}

impl Tokens {
    /// Reads a token answer.
    ///
    /// # Panics
    /// When it is none.
    #[track_caller]
    pub fn of(answer: Answer) -> Self {
        let body = answer.expect(200).json();
        let text = |name: &str| body[name].as_str().map(str::to_owned);
        Self {
            access: text("access_token").expect("an access token"),
            refresh: text("refresh_token"),
            id: text("id_token"),
        }
    }
}

/// A part of a compact token, unchecked: 0 is the header, 1 the claims.
///
/// # Panics
/// When it is not JSON in base64url.
pub fn decode(token: &str, part: usize) -> Value {
    let part = token.split('.').nth(part).expect("a compact token has three parts");
    let bytes = Base64UrlUnpadded::decode_vec(part).expect("base64url without padding (RFC 7515 §2)");
    serde_json::from_slice(&bytes).expect("JSON")
}
