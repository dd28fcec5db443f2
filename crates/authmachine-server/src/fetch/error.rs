//! Why a fetch failed.

use std::error::Error;
use std::io;

use tokio_rustls::rustls;

/// Why there is no answer: for log, metrics and events, never for strangers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FetchError {
    /// Not an absolute http or https URL of a host, or with a user.
    #[error("it is not an https URL without user and password")]
    Url,
    /// Plain http, and not to a network on the list.
    #[error("plain http is only for the networks in fetch.private_networks")]
    PlainHttp,
    /// An address that is neither public nor on the list.
    #[error("its address is neither public nor in fetch.private_networks")]
    NotAllowed,
    /// The name has no address.
    #[error("its name cannot be looked up")]
    Dns,
    /// Nobody answers there.
    #[error("there is no connection")]
    Connect,
    /// A certificate that is not trusted, or no TLS.
    #[error("TLS failed")]
    Tls,
    /// Not all within five seconds.
    #[error("it takes too long")]
    Timeout,
    /// An answer that leads elsewhere.
    #[error("it redirects, which is not followed")]
    Redirect,
    /// Not 200.
    #[error("its status is {0}")]
    Status(u16),
    /// None of the expected types.
    #[error("its content type is another one")]
    ContentType,
    /// More than 256 KiB.
    #[error("it is too long")]
    TooLarge,
    /// Cut short, or not HTTP.
    #[error("the connection broke")]
    Broken,
}

impl FetchError {
    /// The word in metrics, log and events.
    pub fn word(self) -> &'static str {
        match self {
            Self::Url => "url",
            Self::PlainHttp => "plain_http",
            Self::NotAllowed => "not_allowed",
            Self::Dns => "dns",
            Self::Connect => "connect",
            Self::Tls => "tls",
            Self::Timeout => "timeout",
            Self::Redirect => "redirect",
            Self::Status(_) => "status",
            Self::ContentType => "content_type",
            Self::TooLarge => "too_large",
            Self::Broken => "broken",
        }
    }
}

/// A failure with what the libraries say of it.
pub(super) struct Failure {
    pub(super) error: FetchError,
    pub(super) cause: Option<String>,
}

impl From<FetchError> for Failure {
    fn from(error: FetchError) -> Self {
        Self { error, cause: None }
    }
}

impl From<reqwest::Error> for Failure {
    fn from(why: reqwest::Error) -> Self {
        // Its query may be a secret of the client's.
        let why = why.without_url();
        let error = match &why {
            why if let Some(ours) = find::<FetchError>(why) => *ours,
            why if find::<rustls::Error>(why).is_some() => FetchError::Tls,
            why if why.is_timeout() => FetchError::Timeout,
            why if why.is_connect() => FetchError::Connect,
            _ => FetchError::Broken,
        };
        Self { error, cause: Some(causes(&why)) }
    }
}

/// An error and what is behind it.
fn chain<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |&error: &&'a (dyn Error + 'static)| {
        match error.downcast_ref::<io::Error>() {
            // Its `source` leaves out the error that it was made of.
            Some(io) => io.get_ref().map(|inner| inner as &(dyn Error + 'static)),
            None => error.source(),
        }
    })
}

fn find<'a, E: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a E> {
    chain(error).find_map(|error| error.downcast_ref())
}

pub(super) fn causes(error: &(dyn Error + 'static)) -> String {
    chain(error).map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
