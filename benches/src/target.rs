//! A provider under load, as OpenID Connect describes it: where its endpoints are, who its clients are, and how a person signs in.

use std::net::{SocketAddr, ToSocketAddrs as _};

use anyhow::{Context, Result, bail};
use authmachine_jose::JwkSet;
use base64ct::{Base64, Encoding as _};
use serde_json::Value;
use url::Url;

use crate::form::encode;
use crate::http::Connection;

/// A provider and what may be asked of it.
pub(crate) struct Target {
    pub(crate) name: String,
    pub(crate) address: SocketAddr,
    host: String,
    pub(crate) endpoints: Endpoints,
    /// The keys that sign its ID tokens.
    pub(crate) keys: JwkSet,
    pub(crate) access: Access,
}

/// What an operator of the provider has to tell.
#[derive(Clone, Default)]
pub(crate) struct Access {
    /// The first is the one for everything that does not depend on the client.
    pub(crate) clients: Vec<Client>,
    pub(crate) login: Login,
    pub(crate) extras: Extras,
}

/// A client that proves itself by `client_secret_basic`.
#[derive(Clone)]
pub(crate) struct Client {
    pub(crate) id: String,
    pub(crate) secret: String,
    pub(crate) redirect_uri: String,
    pub(crate) post_logout_redirect_uri: String,
    /// What its ID tokens are signed with.
    pub(crate) algorithm: String,
    pub(crate) scope: String,
}

/// How a browser gets a session.
#[derive(Clone)]
pub(crate) enum Login {
    /// By what is typed into the forms of the login page.
    Form(Vec<(String, String)>),
    /// By a `Cookie` header that somebody has.
    Cookie(String),
}

impl Default for Login {
    fn default() -> Self {
        Self::Form(Vec::new())
    }
}

/// What only some providers have.
#[derive(Clone, Default)]
pub(crate) struct Extras {
    /// An endpoint that does nothing, with the middleware of the others.
    pub(crate) empty: Option<String>,
    /// What a user may do, by path and API token.
    pub(crate) permissions: Option<(String, String)>,
    /// `grant_type=check_token_revoked`.
    pub(crate) token_check: bool,
    /// `claims` of an authorization request, after which userinfo answers with 20 permissions.
    pub(crate) permission_claims: Option<String>,
}

/// Paths, with a query where there is one.
pub(crate) struct Endpoints {
    pub(crate) discovery: String,
    pub(crate) jwks: String,
    pub(crate) authorization: String,
    pub(crate) token: String,
    pub(crate) userinfo: Option<String>,
    pub(crate) introspection: Option<String>,
    pub(crate) end_session: Option<String>,
    pub(crate) grant_types: Vec<String>,
}

impl Target {
    /// Asks the discovery document of a provider what else there is to know.
    pub(crate) async fn discover(name: &str, discovery: &str, access: Access) -> Result<Self> {
        let url = Url::parse(discovery).with_context(|| format!("{discovery} is not a URL"))?;
        if url.scheme() != "http" {
            bail!("{discovery}: only http is spoken here, to a server without a proxy before it");
        }
        let port = url.port_or_known_default().unwrap_or(80);
        let host = url.host_str().context("a URL without a host")?;
        let mut addresses: Vec<SocketAddr> = (host, port).to_socket_addrs()?.collect();
        addresses.sort_by_key(|address| address.is_ipv6());
        let address = *addresses.first().with_context(|| format!("{host} has no address"))?;
        let host = format!("{host}:{port}");

        let mut connection = Connection::open(address).await?;
        let path = path_of(&url);
        let metadata: Value = get_json(&mut connection, &host, &path).await?;
        let path = |name: &str| -> Result<Option<String>> {
            metadata.get(name).and_then(Value::as_str).map(|url| Ok(path_of(&Url::parse(url)?))).transpose()
        };
        let needed = |name: &str| path(name)?.with_context(|| format!("{discovery} names no {name}"));
        let words = |name: &str| -> Vec<String> {
            let list = metadata.get(name).and_then(Value::as_array).into_iter().flatten();
            list.filter_map(Value::as_str).map(str::to_owned).collect()
        };
        let endpoints = Endpoints {
            discovery: path_of(&url),
            jwks: needed("jwks_uri")?,
            authorization: needed("authorization_endpoint")?,
            token: needed("token_endpoint")?,
            userinfo: path("userinfo_endpoint")?,
            introspection: path("introspection_endpoint")?,
            end_session: path("end_session_endpoint")?,
            grant_types: words("grant_types_supported"),
        };
        let keys = get_json(&mut connection, &host, &endpoints.jwks).await?.to_string();
        let keys = JwkSet::parse(&keys).context("the key set cannot be read")?;
        Ok(Self { name: name.to_owned(), address, host, endpoints, keys, access })
    }

    /// The client for everything that does not depend on the client.
    pub(crate) fn client(&self) -> Result<&Client> {
        self.access.clients.first().context("no client is known")
    }

    /// The client whose ID tokens are signed with `algorithm`.
    pub(crate) fn client_with(&self, algorithm: &str) -> Option<&Client> {
        self.access.clients.iter().find(|client| client.algorithm == algorithm)
    }

    /// The bytes of a GET.
    pub(crate) fn get(&self, path: &str, headers: &[(&str, &str)]) -> Vec<u8> {
        self.request("GET", path, headers, None)
    }

    /// The bytes of a POST of a form.
    pub(crate) fn post(&self, path: &str, headers: &[(&str, &str)], form: &str) -> Vec<u8> {
        self.request("POST", path, headers, Some(form))
    }

    /// The bytes of a POST of a form by `client`.
    pub(crate) fn post_as(&self, client: &Client, path: &str, form: &str) -> Vec<u8> {
        self.post(path, &[("Authorization", &client.credentials())], form)
    }

    /// The bytes of a token request by `client`.
    pub(crate) fn token(&self, client: &Client, form: &str) -> Vec<u8> {
        self.post_as(client, &self.endpoints.token, form)
    }

    fn request(&self, method: &str, path: &str, headers: &[(&str, &str)], form: Option<&str>) -> Vec<u8> {
        let mut text = format!("{method} {path} HTTP/1.1\r\nHost: {}\r\n", self.host);
        for (name, value) in headers {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        if let Some(form) = form {
            text.push_str("Content-Type: application/x-www-form-urlencoded\r\n");
            text.push_str(&format!("Content-Length: {}\r\n", form.len()));
        }
        text.push_str("\r\n");
        text.push_str(form.unwrap_or_default());
        text.into_bytes()
    }

    /// The path of an authorization request by `client`.
    pub(crate) fn authorization_request(&self, client: &Client, claims: Option<&str>) -> String {
        let mut pairs = vec![
            ("response_type", "code"),
            ("client_id", client.id.as_str()),
            ("redirect_uri", client.redirect_uri.as_str()),
            ("scope", client.scope.as_str()),
            ("state", "bench"),
            ("nonce", "bench"),
        ];
        pairs.extend(claims.map(|claims| ("claims", claims)));
        with_query(&self.endpoints.authorization, &pairs)
    }
}

impl Client {
    /// The header of `client_secret_basic` (RFC 6749 §2.3.1).
    pub(crate) fn credentials(&self) -> String {
        let pair = format!("{}:{}", encode(&self.id), encode(&self.secret));
        format!("Basic {}", Base64::encode_string(pair.as_bytes()))
    }

    /// The form of a token request with a code.
    pub(crate) fn redemption(&self, code: &str) -> String {
        form(&[("grant_type", "authorization_code"), ("code", code), ("redirect_uri", &self.redirect_uri)])
    }
}

/// A form's body.
pub(crate) fn form(pairs: &[(&str, &str)]) -> String {
    let pairs = pairs.iter().map(|(name, value)| format!("{}={}", encode(name), encode(value)));
    pairs.collect::<Vec<_>>().join("&")
}

/// `path` with more in its query.
pub(crate) fn with_query(path: &str, pairs: &[(&str, &str)]) -> String {
    format!("{path}{}{}", if path.contains('?') { '&' } else { '?' }, form(pairs))
}

/// What of a URL goes into the first line of a request.
pub(crate) fn path_of(url: &Url) -> String {
    match url.query() {
        Some(query) => format!("{}?{query}", url.path()),
        None => url.path().to_owned(),
    }
}

async fn get_json(connection: &mut Connection, host: &str, path: &str) -> Result<Value> {
    let request = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n");
    let answer = connection.send(request.as_bytes()).await?;
    if answer.status != 200 {
        bail!("{path} answered {}: {}", answer.status, answer.text());
    }
    serde_json::from_slice(answer.body).with_context(|| format!("{path} did not answer with JSON"))
}
