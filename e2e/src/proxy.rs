//! A network that misbehaves: a TCP proxy on loopback, between a client and the server or between the server and its database.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

/// What happens to every byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weather {
    /// It is forwarded.
    Fine,
    /// It is forwarded later.
    Delay(Duration),
    /// So many a second are forwarded.
    Bandwidth(u32),
    /// It stays here, as if every packet were lost; once the weather is another, it goes on.
    Stall,
    /// Connections are taken and closed at once.
    Refuse,
}

/// How the answer to one request ends.
#[derive(Clone, Copy, Debug)]
pub enum End {
    /// As if that were all.
    Close,
    /// By a reset.
    Reset,
    /// Never: the connection stays open, and nothing comes.
    Silence,
}

/// The answer to the next request with a mark in it.
#[derive(Clone, Copy, Debug)]
pub struct Spoil {
    /// Bytes that only such a request has; they come in one piece.
    pub mark: &'static [u8],
    /// So many bytes of its answer are forwarded.
    pub keep: usize,
    /// And then.
    pub then: End,
}

/// A proxy. Dropping it closes every connection.
pub struct Proxy {
    port: u16,
    shared: Arc<Shared>,
    serving: JoinHandle<()>,
}

struct Shared {
    weather: watch::Sender<Weather>,
    /// Connections of an earlier generation are cut, or dead.
    generation: watch::Sender<(u64, Fate)>,
    spoil: Mutex<Option<Spoil>>,
    spoiled: AtomicU64,
}

#[derive(Clone, Copy, Debug)]
enum Fate {
    Reset,
    Dead,
}

impl Proxy {
    /// A proxy to a port on 127.0.0.1.
    pub async fn to(target: u16) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
        let port = listener.local_addr().expect("it is bound").port();
        let shared = Arc::new(Shared {
            weather: watch::Sender::new(Weather::Fine),
            generation: watch::Sender::new((0, Fate::Reset)),
            spoil: Mutex::default(),
            spoiled: AtomicU64::new(0),
        });
        let all = shared.clone();
        let serving = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                while connections.try_join_next().is_some() {}
                connections.spawn(all.clone().forward(stream, (Ipv4Addr::LOCALHOST, target).into()));
            }
        });
        Self { port, shared, serving }
    }

    /// Its port, on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Changes the weather, for connections that there are as well.
    pub fn set(&self, weather: Weather) {
        self.shared.weather.send_replace(weather);
    }

    /// Resets every connection that there is.
    pub fn cut(&self) {
        self.shared.generation.send_modify(|(n, fate)| (*n, *fate) = (*n + 1, Fate::Reset));
    }

    /// Every connection that there is stays open, and nothing comes through it any more: half-open, whatever the weather.
    pub fn forget(&self) {
        self.shared.generation.send_modify(|(n, fate)| (*n, *fate) = (*n + 1, Fate::Dead));
    }

    /// Spoils the answer to the next request with a mark.
    pub fn spoil(&self, spoil: Spoil) {
        *self.shared.spoil.lock().unwrap_or_else(PoisonError::into_inner) = Some(spoil);
    }

    /// How many answers were spoiled.
    pub fn spoiled(&self) -> u64 {
        self.shared.spoiled.load(Relaxed)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Shared {
    async fn forward(self: Arc<Self>, near: TcpStream, target: SocketAddr) {
        if *self.weather.borrow() == Weather::Refuse {
            return;
        }
        // What nobody answers is as good as refused.
        let Ok(far) = TcpStream::connect(target).await else { return };
        let _ = (near.set_nodelay(true), far.set_nodelay(true));
        // What a connection that is cut has left is not sent.
        let _ = (near.set_zero_linger(), far.set_zero_linger());
        let ((near_in, near_out), (far_in, far_out)) = (near.into_split(), far.into_split());
        let spoil = watch::Sender::new(None);
        let mut generation = self.generation.subscribe();
        let born = generation.borrow_and_update().0;
        let both = async {
            tokio::try_join!(
                self.pump(near_in, far_out, Direction::There(&spoil)),
                self.pump(far_in, near_out, Direction::Back(spoil.subscribe())),
            )
        };
        let end = async {
            let later = generation.wait_for(|(n, _)| *n > born).await;
            later.map_or(Fate::Reset, |now| now.1)
        };
        tokio::select! {
            _ = both => {}
            fate = end => if let Fate::Dead = fate {
                std::future::pending::<()>().await;
            }
        }
    }

    /// Forwards one direction to its end.
    async fn pump(
        &self,
        mut from: OwnedReadHalf,
        mut to: OwnedWriteHalf,
        mut direction: Direction<'_>,
    ) -> Result<(), Cut> {
        let mut weather = self.weather.subscribe();
        let mut bytes = vec![0; 16 * 1024];
        loop {
            let _ = weather.wait_for(|weather| *weather != Weather::Stall).await;
            let most = match *weather.borrow() {
                // Ten pieces a second.
                Weather::Bandwidth(rate) => usize::try_from(rate / 10).expect("small").clamp(1, bytes.len()),
                _ => bytes.len(),
            };
            let count = from.read(&mut bytes[..most]).await.map_err(|_| Cut)?;
            if count == 0 {
                return to.shutdown().await.map_err(|_| Cut);
            }
            let now = *weather.borrow();
            match now {
                Weather::Delay(time) => tokio::time::sleep(time).await,
                Weather::Bandwidth(_) => tokio::time::sleep(Duration::from_millis(100)).await,
                _ => {}
            }
            let _ = weather.wait_for(|weather| *weather != Weather::Stall).await;
            match &mut direction {
                Direction::There(spoil) => {
                    let mut wanted = self.spoil.lock().unwrap_or_else(PoisonError::into_inner);
                    if wanted.as_ref().is_some_and(|spoil| contains(&bytes[..count], spoil.mark)) {
                        spoil.send_replace(wanted.take());
                    }
                }
                Direction::Back(spoil) => {
                    let spoil = *spoil.borrow();
                    if let Some(Spoil { keep, then, .. }) = spoil {
                        let _ = to.write_all(&bytes[..keep.min(count)]).await;
                        self.spoiled.fetch_add(1, Relaxed);
                        match then {
                            End::Close => return to.shutdown().await.map_err(|_| Cut),
                            End::Reset => return Err(Cut),
                            End::Silence => std::future::pending().await,
                        }
                    }
                }
            }
            to.write_all(&bytes[..count]).await.map_err(|_| Cut)?;
        }
    }
}

/// The connection is at its end, in both directions.
struct Cut;

enum Direction<'a> {
    /// To the target; what is spoiled on this connection is said there.
    There(&'a watch::Sender<Option<Spoil>>),
    /// From it.
    Back(watch::Receiver<Option<Spoil>>),
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}
