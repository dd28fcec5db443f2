//! Serving on several addresses at once, until told to stop.

use std::{future::Future, io, time::Duration};

use axum::Router;
use tokio::{net::TcpListener, sync::watch, task::JoinSet, time::timeout};

/// How long answers that have begun may take when the app stops.
const DRAIN: Duration = Duration::from_secs(5);

/// Serves `app` on all `listeners` until `shutdown`; then answers that have begun finish, within five seconds.
///
/// # Errors
/// When a listener fails.
pub async fn serve(
    listeners: Vec<TcpListener>,
    app: Router,
    shutdown: impl Future<Output = ()>,
) -> io::Result<()> {
    let (stop, stopping) = watch::channel(());
    let mut serving = JoinSet::new();
    for listener in listeners {
        let mut stopping = stopping.clone();
        let stopped = async move {
            // An error says that nobody is left to tell, which is the same.
            let _ = stopping.changed().await;
        };
        serving.spawn(axum::serve(listener, app.clone()).with_graceful_shutdown(stopped).into_future());
    }
    let ended = tokio::select! {
        () = shutdown => Ok(()),
        Some(ended) = serving.join_next() => ended.map_err(io::Error::other).flatten(),
    };
    drop(stop);
    let _ = timeout(DRAIN, async { while serving.join_next().await.is_some() {} }).await;
    ended
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::routing::get;
    use std::sync::Arc;
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        net::TcpStream,
        sync::Notify,
    };

    #[tokio::test]
    async fn an_answer_that_has_begun_is_finished() {
        let (begun, go_on) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let slow = {
            let (begun, go_on) = (begun.clone(), go_on.clone());
            move || async move {
                begun.notify_one();
                go_on.notified().await;
                "done"
            }
        };
        let app = Router::new().route("/", get(slow));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("bound");
        let stop = Arc::new(Notify::new());
        let stopping = stop.clone();
        let server = tokio::spawn(async move {
            serve(vec![listener], app, async move { stopping.notified().await }).await
        });

        let mut browser = TcpStream::connect(address).await.expect("connected");
        browser.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").await.expect("sent");
        begun.notified().await;
        stop.notify_one();
        // No new connection is taken once it stops.
        while TcpStream::connect(address).await.is_ok() {
            tokio::task::yield_now().await;
        }
        go_on.notify_one();
        let mut answer = String::new();
        browser.read_to_string(&mut answer).await.expect("an answer");
        assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("done"), "{answer}");
        server.await.expect("no panic").expect("no error");
    }
}
