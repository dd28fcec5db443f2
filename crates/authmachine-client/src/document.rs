//! What a server publishes about itself (metadata, keys), kept for a while.

use std::sync::Arc;

use authmachine_protocol::Timestamp;
use bytes::Bytes;
use http::{HeaderMap, Request, Response, header};
use tokio::sync::Mutex;

use crate::{
    Error,
    clock::Clock,
    http_client::{HttpClient, MAX_DOCUMENT_BYTES, send},
};

const MIN_DOCUMENT_LIFE_SECONDS: i64 = 5 * 60;
const MAX_DOCUMENT_LIFE_SECONDS: i64 = 24 * 60 * 60;
/// How long the last good document stands in before the server is asked again, and how often something unknown may
/// cause another look.
const ASK_AGAIN_SECONDS: i64 = 30;
/// How long an error is the answer, where no good document is known: whoever waited for it meanwhile gets it too, so
/// that a server that hangs is not waited for by one after the other.
const ERROR_LIFE_SECONDS: i64 = 1;

/// One document; the last good one while its server does not answer.
pub(crate) struct Document<T>(Mutex<Option<Cached<T>>>);

/// What came of asking, and when to ask again.
struct Cached<T> {
    outcome: Result<Arc<T>, Error>,
    asked_at: Timestamp,
    fresh_until: Timestamp,
}

impl<T> Default for Document<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T> Document<T> {
    /// The document at `url`, and the answer that it came in, unless it is from before. `look_again` asks for a newer
    /// one than there is, if the last look was not just now. The lock is held while asking, so that many requests ask
    /// once.
    pub(crate) async fn get(
        &self,
        http: &dyn HttpClient,
        clock: &Clock,
        url: &str,
        look_again: bool,
        read: impl Fn(&Response<Bytes>) -> Result<T, Error>,
    ) -> Result<(Arc<T>, Option<Response<Bytes>>), Error> {
        let mut cached = self.0.lock().await;
        let now = clock.now();
        if let Some(known) = cached.as_ref() {
            let again = look_again && now.seconds_since(known.asked_at) >= ASK_AGAIN_SECONDS;
            if now < known.fresh_until && !again {
                return known.outcome.clone().map(|document| (document, None));
            }
        }
        let asked = async {
            let request = Request::get(url).header(header::ACCEPT, "application/json");
            let answer = send(http, request, Bytes::new(), MAX_DOCUMENT_BYTES).await?;
            Ok::<_, Error>((Arc::new(read(&answer)?), answer))
        };
        let asked = asked.await;
        let now = clock.now(); // it may have taken a while
        let last_good = cached.take().and_then(|known| known.outcome.ok());
        let (outcome, life_seconds, answer) = match (asked, last_good) {
            (Ok((document, answer)), _) => (Ok(document), document_life(answer.headers()), Some(answer)),
            (Err(error), Some(last_good)) => {
                tracing::warn!(%error, "Kept the last good document of the provider: {error}");
                (Ok(last_good), ASK_AGAIN_SECONDS, None)
            }
            (Err(error), None) => (Err(error), ERROR_LIFE_SECONDS, None),
        };
        let fresh_until = now.plus_seconds(life_seconds);
        *cached = Some(Cached { outcome: outcome.clone(), asked_at: now, fresh_until });
        outcome.map(|document| (document, answer))
    }
}

/// Seconds that a document may be kept, from `Cache-Control: max-age`, within our bounds.
fn document_life(headers: &HeaderMap) -> i64 {
    let max_age = headers
        .get(header::CACHE_CONTROL)
        .and_then(|value| value.to_str().ok())
        .into_iter()
        .flat_map(|value| value.split(','))
        .find_map(|part| part.trim().strip_prefix("max-age=")?.parse::<u32>().ok());
    max_age.map_or(0, i64::from).clamp(MIN_DOCUMENT_LIFE_SECONDS, MAX_DOCUMENT_LIFE_SECONDS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_are_kept_between_five_minutes_and_a_day() {
        let life = |value: &'static str| {
            document_life(&HeaderMap::from_iter([(
                header::CACHE_CONTROL,
                http::HeaderValue::from_static(value),
            )]))
        };
        assert_eq!(document_life(&HeaderMap::new()), 300);
        assert_eq!(life("no-store"), 300);
        assert_eq!(life("max-age=1"), 300);
        assert_eq!(life("public, max-age=3600"), 3_600);
        assert_eq!(life("max-age=4000000000"), 86_400);
        assert_eq!(life("max-age=-1"), 300);
    }
}
