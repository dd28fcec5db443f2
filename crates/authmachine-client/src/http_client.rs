//! HTTP behind a trait of our own: bounded in time and size, and never led elsewhere by a redirect.

use std::{future::Future, pin::Pin, sync::Arc, time::Duration};

use authmachine_protocol::redirect_uri;
use bytes::Bytes;
use http::Response;
use url::Url;

use crate::Error;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

/// The most bytes of a discovery document or key set.
pub(crate) const MAX_DOCUMENT_BYTES: usize = 256 * 1024;
/// The most bytes of any other answer.
pub(crate) const MAX_ANSWER_BYTES: usize = 64 * 1024;

/// Why there is no answer. Whether the other side has seen the request is not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HttpError {
    /// No connection: name, network, port or TLS.
    #[error("no connection")]
    Connect,
    /// Too slow.
    #[error("no answer in time")]
    Timeout,
    /// Longer than the caller takes.
    #[error("the answer is too long")]
    TooLarge,
    /// Cut short, or not HTTP.
    #[error("the connection broke")]
    Broken,
}

/// An answer on its way.
pub type HttpAnswer<'a> = Pin<Box<dyn Future<Output = Result<http::Response<Bytes>, HttpError>> + Send + 'a>>;

/// What this crate needs of HTTP. The default is bounded as an implementation of your own must be: it connects
/// within 3 s, answers within 10 s, always verifies TLS, follows no redirect, and sends nothing twice.
pub trait HttpClient: Send + Sync {
    /// Sends `request`, whose URI is absolute, and reads at most `max_bytes` of the answer's body.
    fn send(&self, request: http::Request<Bytes>, max_bytes: usize) -> HttpAnswer<'_>;
}

/// The default, for the server at `url`.
pub(crate) fn for_server(url: &Url) -> Result<Arc<dyn HttpClient>, Error> {
    let loopback = url.host().is_some_and(|host| redirect_uri::is_loopback(&host));
    let client = Reqwest::new(loopback).map_err(|e| {
        Error::Config(format!(
            "cannot set up https ({e}): are root certificates installed (ca-certificates)?"
        ))
    })?;
    Ok(Arc::new(client))
}

struct Reqwest(reqwest::Client);

impl Reqwest {
    /// A client for a provider; one on this machine (`loopback`) is never asked through a proxy.
    fn new(loopback: bool) -> Result<Self, reqwest::Error> {
        let builder = || {
            reqwest::Client::builder()
                .redirect(reqwest::redirect::Policy::none())
                .retry(reqwest::retry::never())
                .connect_timeout(CONNECT_TIMEOUT)
                .timeout(REQUEST_TIMEOUT)
                .referer(false)
                .user_agent(concat!("authmachine-client/", env!("CARGO_PKG_VERSION")))
        };
        if !loopback {
            return builder().build().map(Self);
        }
        // A machine without root certificates can still talk to itself.
        builder().no_proxy().build().or_else(|_| builder().no_proxy().tls_certs_only([]).build()).map(Self)
    }
}

impl HttpClient for Reqwest {
    fn send(&self, request: http::Request<Bytes>, max_bytes: usize) -> HttpAnswer<'_> {
        Box::pin(async move {
            let request = reqwest::Request::try_from(request).map_err(|_| HttpError::Connect)?;
            let mut answer = self.0.execute(request).await.map_err(|e| why(&e))?;
            let mut head = http::Response::new(());
            *head.status_mut() = answer.status();
            *head.headers_mut() = std::mem::take(answer.headers_mut());
            let mut body = Vec::new();
            while let Some(chunk) = answer.chunk().await.map_err(|e| why(&e))? {
                if body.len() + chunk.len() > max_bytes {
                    return Err(HttpError::TooLarge);
                }
                body.extend_from_slice(&chunk);
            }
            Ok(head.map(|()| body.into()))
        })
    }
}

fn why(error: &reqwest::Error) -> HttpError {
    match error {
        e if e.is_timeout() => HttpError::Timeout,
        e if e.is_connect() => HttpError::Connect,
        _ => HttpError::Broken,
    }
}

/// Sends a request; what cannot be sent is a fault of a setting.
pub(crate) async fn send(
    http: &dyn HttpClient,
    request: http::request::Builder,
    body: Bytes,
    max_bytes: usize,
) -> Result<Response<Bytes>, Error> {
    let request =
        request.body(body).map_err(|e| Error::Config(format!("a request cannot be written: {e}")))?;
    let url = request.uri().to_string();
    let answer = http.send(request, max_bytes).await.and_then(|answer| match answer.body().len() {
        // A client of the application's own may not look.
        bytes if bytes > max_bytes => Err(HttpError::TooLarge),
        _ => Ok(answer),
    });
    answer.map_err(|cause| {
        let url = url.split('?').next().unwrap_or_default().to_owned();
        Error::Unreachable { url, cause }
    })
}

pub(crate) fn bad_answer(url: &str, answer: &Response<Bytes>, problem: &str) -> Error {
    Error::BadAnswer { url: url.to_owned(), status: answer.status().as_u16(), problem: problem.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        net::TcpListener,
    };

    #[tokio::test]
    async fn do1_a_body_without_end_is_given_up_on_the_way() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}/", listener.local_addr().expect("an address"));
        let endless = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.expect("a connection");
            // A small request comes whole.
            let bytes = stream.read(&mut [0; 4_096]).await.expect("a request");
            assert!(bytes > 0);
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await;
            while stream.write_all(&[b' '; 1_024]).await.is_ok() {}
        });
        let request = http::Request::get(url).body(Bytes::new()).expect("a request");
        let answer = Reqwest::new(true).expect("a client").send(request, 64_000).await;
        assert_eq!(answer.err(), Some(HttpError::TooLarge));
        endless.await.expect("the connection is closed");
    }
}
