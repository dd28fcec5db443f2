//! Our own accept loop, because the limits of connections belong to whoever accepts them: HTTP/1 and HTTP/2, with TLS or without,
//! deadlines for heads and idle connections, a bound for each address, and a shutdown that lets answers finish (checklist DO1, DO4,
//! RB16).

pub mod tls;

use std::collections::HashMap;
use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::pin::{Pin, pin};
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::extract::ConnectInfo;
use axum::http::{HeaderValue, Request, StatusCode, Version, header};
use axum::response::IntoResponse as _;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tower::Service as _;

use self::tls::Tls;
use crate::app::App;
use crate::metrics::Connections;

/// The largest head of a request.
pub const MAX_HEAD_BYTES: usize = 16 * 1024;
/// The most fields in it.
pub const MAX_HEAD_FIELDS: usize = 64;
/// The most requests at once on one HTTP/2 connection.
const MAX_STREAMS: u32 = 100;
/// The most bytes of one request's body on an HTTP/2 connection that wait here to be read, and of all of them.
const STREAM_WINDOW_BYTES: u32 = 64 * 1024;
const CONNECTION_WINDOW_BYTES: u32 = 256 * 1024;
/// How long `accept` rests when there are no descriptors or no memory left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

/// The limits of connections.
#[derive(Clone, Copy, Debug)]
struct Limits {
    /// Connections from one address.
    per_address: u32,
    /// The time for a head, and for the first one on a new connection together with its handshake.
    head: Duration,
    /// The time without a request.
    idle: Duration,
    /// After this time without a frame a peer of HTTP/2 is asked for a sign of life; it has as long as for a head to give one.
    ping: Duration,
    /// The time for answers to finish: of one connection that is closed, of all at shutdown.
    drain: Duration,
}

const LIMITS: Limits = Limits {
    per_address: 256,
    head: Duration::from_secs(10),
    idle: Duration::from_secs(60),
    ping: Duration::from_secs(20),
    drain: Duration::from_secs(10),
};

/// Serves `router` on `listeners`, with `tls` or plain, until `shutdown`; then no connection is accepted, answers that have begun
/// finish within ten seconds, and this returns. Handlers find the peer as `ConnectInfo<SocketAddr>`.
pub async fn serve(
    app: App,
    router: Router,
    listeners: Vec<TcpListener>,
    tls: Option<Tls>,
    shutdown: impl Future<Output = ()>,
) {
    let exempt = app.settings.trusted_proxies.clone();
    let counters = app.metrics.connections.clone();
    Server::new(router, tls, LIMITS, exempt, counters).serve(listeners, shutdown).await;
}

struct Server {
    router: Router,
    tls: Option<Tls>,
    limits: Limits,
    /// Addresses of proxies: many people come from there.
    exempt: Vec<IpAddr>,
    counters: Arc<Connections>,
    http: Builder<TokioExecutor>,
    open: Mutex<HashMap<IpAddr, u32>>,
}

impl Server {
    fn new(
        router: Router,
        tls: Option<Tls>,
        limits: Limits,
        exempt: Vec<IpAddr>,
        counters: Arc<Connections>,
    ) -> Arc<Self> {
        let mut http = Builder::new(TokioExecutor::new());
        // Heads have our own deadline: hyper's does not tell a slow head from an idle connection.
        http.http1().max_buf_size(MAX_HEAD_BYTES).max_headers(MAX_HEAD_FIELDS).header_read_timeout(None);
        // h2 takes a byte less than it says.
        let max_head = u32::try_from(MAX_HEAD_BYTES + 1).expect("16 KiB fit");
        http.http2()
            .timer(TokioTimer::new())
            .max_header_list_size(max_head)
            .max_concurrent_streams(MAX_STREAMS)
            .initial_stream_window_size(STREAM_WINDOW_BYTES)
            .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
            .keep_alive_interval(limits.ping)
            .keep_alive_timeout(limits.head);
        Arc::new(Self { router, tls, limits, exempt, counters, http, open: Mutex::default() })
    }

    async fn serve(self: Arc<Self>, listeners: Vec<TcpListener>, shutdown: impl Future<Output = ()>) {
        let (stop, stopping) = watch::channel(false);
        let mut accepting = JoinSet::new();
        for listener in listeners {
            accepting.spawn(self.clone().accept(listener, stopping.clone()));
        }
        shutdown.await;
        stop.send_replace(true);
        while accepting.join_next().await.is_some() {}
    }

    async fn accept(self: Arc<Self>, listener: TcpListener, mut stopping: watch::Receiver<bool>) {
        let mut connections = JoinSet::new();
        loop {
            let accepted = tokio::select! {
                _ = stopping.wait_for(|stop| *stop) => break,
                Some(ended) = connections.join_next() => {
                    if let Err(error) = ended {
                        tracing::error!(cause = %error, "A connection's task failed; this is a bug");
                    }
                    continue;
                }
                accepted = listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, peer)) => match self.place(peer.ip()) {
                    Some(place) => {
                        connections.spawn(self.clone().connection(stream, peer, place, stopping.clone()));
                    }
                    None => {
                        self.counters.refused.fetch_add(1, Relaxed);
                    }
                },
                Err(error) if is_about_one_connection(&error) => {}
                Err(error) => {
                    tracing::warn!(cause = %error, "Cannot accept connections just now");
                    sleep(ACCEPT_PAUSE).await;
                }
            }
        }
        drop(listener);
        let all_ended = async { while connections.join_next().await.is_some() {} };
        if timeout(self.limits.drain, all_ended).await.is_err() {
            tracing::warn!("{} connections did not finish in time and are cut", connections.len());
        }
        connections.shutdown().await;
    }

    /// A place for one more connection from `address`, if there is one.
    fn place(self: &Arc<Self>, address: IpAddr) -> Option<Place> {
        let is_exempt = self.exempt.contains(&address.to_canonical());
        let counted = (!is_exempt).then(|| network_of(address));
        if let Some(address) = counted {
            let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
            let count = open.entry(address).or_default();
            if *count >= self.limits.per_address {
                return None;
            }
            *count += 1;
        }
        self.counters.accepted.fetch_add(1, Relaxed);
        Some(Place { server: self.clone(), counted })
    }

    async fn connection(
        self: Arc<Self>,
        stream: TcpStream,
        peer: SocketAddr,
        _place: Place,
        stopping: watch::Receiver<bool>,
    ) {
        // Our answers are small and must not wait for each other.
        let _ = stream.set_nodelay(true);
        let began = Instant::now();
        match &self.tls {
            None => self.http(stream, peer, began, stopping).await,
            // On the heap: plain connections need no room for it.
            Some(tls) => Box::pin(self.https(tls, stream, peer, began, stopping)).await,
        }
    }

    async fn https(
        &self,
        tls: &Tls,
        stream: TcpStream,
        peer: SocketAddr,
        began: Instant,
        mut stopping: watch::Receiver<bool>,
    ) {
        let handshake = tokio::select! {
            done = timeout(self.limits.head, tls.accept(stream)) => done,
            // Nothing has begun that could finish.
            _ = stopping.wait_for(|stop| *stop) => return,
        };
        match handshake {
            Ok(Ok(stream)) => self.http(stream, peer, began, stopping).await,
            Ok(Err(error)) => tracing::debug!(cause = %error, "A TLS handshake failed"),
            Err(_) => {
                self.counters.timed_out.fetch_add(1, Relaxed);
            }
        }
    }

    async fn http<S>(&self, stream: S, peer: SocketAddr, began: Instant, mut stopping: watch::Receiver<bool>)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let activity = Arc::new(Activity::new(self.limits, began));
        let io = TokioIo::new(Watched { stream, activity: activity.clone() });
        let (router, busy) = (self.router.clone(), activity.clone());
        let service = service_fn(move |mut request: Request<Incoming>| {
            let answering = Answering::begin(busy.clone(), request.version());
            let is_last = request.headers().contains_key(header::TRANSFER_ENCODING);
            let response = check_head(&request).map(|()| {
                request.extensions_mut().insert(ConnectInfo(peer));
                router.clone().call(request)
            });
            async move {
                let mut response = match response {
                    Ok(response) => response.await?,
                    Err(status) => status.into_response(),
                };
                // Who is in between may have seen another end of it: what follows is nobody's (RFC 9112 §6.1).
                if is_last {
                    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
                }
                drop(answering);
                Ok::<_, Infallible>(response)
            }
        });

        let mut connection = pin!(self.http.serve_connection(io, service));
        let mut alarm = pin!(sleep_until(began + self.limits.head));
        let mut is_closing = false;
        loop {
            tokio::select! {
                biased;
                result = connection.as_mut() => {
                    if let Err(error) = result {
                        tracing::debug!(cause = %error, "A connection ended early");
                    }
                    return;
                }
                _ = stopping.wait_for(|stop| *stop), if !is_closing => {
                    is_closing = true;
                    connection.as_mut().graceful_shutdown();
                    alarm.as_mut().reset(Instant::now() + self.limits.drain);
                }
                () = alarm.as_mut() => match activity.verdict(Instant::now()) {
                    Ok(look_again_at) if !is_closing => alarm.as_mut().reset(look_again_at),
                    Err(Late::Idle) if !is_closing => {
                        is_closing = true;
                        connection.as_mut().graceful_shutdown();
                        alarm.as_mut().reset(Instant::now() + self.limits.drain);
                    }
                    // A head that does not come, or a peer that does not take its answer.
                    _ => {
                        self.counters.timed_out.fetch_add(1, Relaxed);
                        return;
                    }
                },
            }
        }
    }
}

/// What hyper leaves to us: HTTP/1 counts fields while it reads them, HTTP/2 does not; a request of HTTP/1.1 has one `Host` (RFC 9112
/// §3.2).
fn check_head<B>(request: &Request<B>) -> Result<(), StatusCode> {
    if request.headers().len() > MAX_HEAD_FIELDS {
        return Err(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);
    }
    let hosts = request.headers().get_all(header::HOST).iter().count();
    if request.version() == Version::HTTP_11 && hosts != 1 { Err(StatusCode::BAD_REQUEST) } else { Ok(()) }
}

/// An error that the next `accept` need not have.
fn is_about_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}

/// Under what connections and failures are counted: an IPv6 peer has a whole /64 of addresses.
pub(crate) fn network_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) if !v6.is_loopback() => {
            Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX)).into()
        }
        address => address,
    }
}

/// One connection among those of its address.
struct Place {
    server: Arc<Server>,
    counted: Option<IpAddr>,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.server.counters.closed.fetch_add(1, Relaxed);
        let Some(address) = self.counted else { return };
        let mut open = self.server.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = open.get_mut(&address) {
            *count -= 1;
            if *count == 0 {
                open.remove(&address);
            }
        }
    }
}

/// What a connection is doing, for its deadlines.
struct Activity {
    limits: Limits,
    now: Mutex<Doing>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Doing {
    /// Waiting for a whole head since then.
    Head { since: Instant },
    /// Answering so many requests. Handlers have deadlines of their own.
    Answering { requests: u32, version: Version },
    /// Waiting for the next request since then, while the last answer is taken.
    Idle { since: Instant, version: Version },
}

/// Which time is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Late {
    Head,
    Idle,
}

impl Activity {
    fn new(limits: Limits, now: Instant) -> Self {
        Self { limits, now: Mutex::new(Doing::Head { since: now }) }
    }

    fn change(&self, change: impl FnOnce(Doing) -> Doing) {
        let mut doing = self.now.lock().unwrap_or_else(PoisonError::into_inner);
        *doing = change(*doing);
    }

    /// Bytes came: on an idle HTTP/1 connection a head begins. HTTP/2 has other frames, which are no reason for anything.
    fn bytes_came(&self) {
        self.change(|doing| match doing {
            Doing::Idle { version, .. } if version < Version::HTTP_2 => Doing::Head { since: Instant::now() },
            other => other,
        });
    }

    fn begin(&self, version: Version) {
        self.change(|doing| match doing {
            Doing::Answering { requests, version } => Doing::Answering { requests: requests + 1, version },
            Doing::Head { .. } | Doing::Idle { .. } => Doing::Answering { requests: 1, version },
        });
    }

    fn end(&self) {
        self.change(|doing| match doing {
            Doing::Answering { requests, version } if requests > 1 => {
                Doing::Answering { requests: requests - 1, version }
            }
            Doing::Answering { version, .. } => Doing::Idle { since: Instant::now(), version },
            other => other,
        });
    }

    /// When to look again: at the latest when a head that begins right now is late.
    fn verdict(&self, now: Instant) -> Result<Instant, Late> {
        let (ends, late) = match *self.now.lock().unwrap_or_else(PoisonError::into_inner) {
            Doing::Head { since } => (since + self.limits.head, Late::Head),
            Doing::Idle { since, .. } => (since + self.limits.idle, Late::Idle),
            Doing::Answering { .. } => return Ok(now + self.limits.head),
        };
        if ends <= now { Err(late) } else { Ok(ends.min(now + self.limits.head)) }
    }
}

/// A request that is being answered.
struct Answering(Arc<Activity>);

impl Answering {
    fn begin(activity: Arc<Activity>, version: Version) -> Self {
        activity.begin(version);
        Self(activity)
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        self.0.end();
    }
}

/// A connection that tells its [`Activity`] when bytes come.
struct Watched<S> {
    stream: S,
    activity: Arc<Activity>,
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let result = Pin::new(&mut self.stream).poll_read(context, buffer);
        if buffer.filled().len() > before {
            self.activity.bytes_came();
        }
        result
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffers: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, buffers)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests;
