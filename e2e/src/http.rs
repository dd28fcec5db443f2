//! Requests of programs.

use std::sync::LazyLock;
use std::time::Duration;

use reqwest::header::{CONTENT_TYPE, HeaderMap, LOCATION};
use reqwest::redirect::Policy;
use reqwest::{Certificate, Method, RequestBuilder};
use serde_json::Value;
use url::Url;
use url::form_urlencoded::Serializer;

/// One request may take this long.
pub const LIMIT: Duration = Duration::from_secs(20);

/// Who vouches for servers with TLS.
const ROOT: &[u8] = include_bytes!("../../crates/authmachine-server/tests/data/tls/root.pem");

/// What came back, whole.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Where it came from.
    pub url: Url,
    /// The status.
    pub status: u16,
    /// The head.
    pub headers: HeaderMap,
    /// The body.
    pub body: String,
}

/// No answer: refused, cut, or late.
pub type Lost = reqwest::Error;

impl Answer {
    /// A header field.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The body as JSON.
    ///
    /// # Panics
    /// When it is not.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("not JSON ({error}): {self:?}"))
    }

    /// Where it sends the browser.
    pub fn location(&self) -> Option<Url> {
        let location = self.headers.get(LOCATION)?.to_str().ok()?;
        self.url.join(location).ok()
    }

    /// Fails unless the status is `status`.
    #[track_caller]
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{self:?}");
        self
    }
}

/// One for all: a connection belongs to the runtime of the test that opened it, and no two tests have a server in common.
static CLIENT: LazyLock<reqwest::Client> = LazyLock::new(|| {
    let root = Certificate::from_pem(ROOT).expect("it is a certificate");
    let builder = reqwest::Client::builder().redirect(Policy::none()).tls_certs_only([root]);
    builder.connect_timeout(Duration::from_secs(3)).timeout(LIMIT).build().expect("nothing in it can fail")
});

/// Sends a request.
///
/// # Errors
/// [`Lost`].
pub async fn send(request: RequestBuilder) -> Result<Answer, Lost> {
    let response = request.send().await?;
    let (url, status, headers) =
        (response.url().clone(), response.status().as_u16(), response.headers().clone());
    Ok(Answer { url, status, headers, body: response.text().await? })
}

/// A request to be filled in and sent.
pub fn request(method: Method, url: &str) -> RequestBuilder {
    CLIENT.request(method, url)
}

/// GETs `url`.
///
/// # Errors
/// [`Lost`].
pub async fn try_get(url: &str) -> Result<Answer, Lost> {
    send(request(Method::GET, url)).await
}

/// GETs `url`.
///
/// # Panics
/// Without an answer.
pub async fn get(url: &str) -> Answer {
    try_get(url).await.unwrap_or_else(|error| panic!("no answer from {url}: {error:?}"))
}

/// A POST of a form.
pub fn form(url: &str, fields: &[(&str, &str)]) -> RequestBuilder {
    let body = Serializer::new(String::new()).extend_pairs(fields).finish();
    request(Method::POST, url).header(CONTENT_TYPE, "application/x-www-form-urlencoded").body(body)
}

/// POSTs a form.
///
/// # Panics
/// Without an answer.
pub async fn post(url: &str, fields: &[(&str, &str)]) -> Answer {
    send(form(url, fields)).await.unwrap_or_else(|error| panic!("no answer from {url}: {error:?}"))
}
