//! Telling clients from server to server that a session has ended (OpenID Connect Back-Channel Logout 1.0).
//!
//! Whatever ends a session stores a delivery for each of its clients in the same unit of work. The job here sends them, as often as
//! it takes. A crash loses none: a try that nobody ended is followed by the next, as one that failed.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use authmachine_provider::Timestamp;
use authmachine_provider::back_channel_logout::{self, LogoutDelivery};
use authmachine_provider::client::Client;
use authmachine_provider::event::{Event, EventKind};
use authmachine_provider::ids::{ClientId, SessionId};
use authmachine_store::StoreError;
use tokio::sync::{Notify, broadcast};
use tokio::task::{Id, JoinSet};
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};

use crate::app::App;
use crate::random;

/// How often we look for deliveries that others stored, and for those whose time has come.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// How long we rest after the database did not answer.
const REST: Duration = Duration::from_secs(1);
/// Deliveries under way at once; of a client one at a time, so that a slow one holds nobody but itself (checklist RB19).
const MAX_SENDING: usize = 32;
/// How long a sign-out waits for the first tries.
const PATIENCE: Duration = Duration::from_secs(2);

/// What sign-outs and the job tell each other.
#[derive(Debug)]
pub struct Deliveries {
    stored: Notify,
    tried: broadcast::Sender<Tried>,
}

/// A try that is over, whatever came of it.
type Tried = (SessionId, ClientId);

impl Default for Deliveries {
    fn default() -> Self {
        Self { stored: Notify::new(), tried: broadcast::Sender::new(1_024) }
    }
}

impl Deliveries {
    /// To be had before a session ends, so that no try is missed.
    pub fn watch(&self) -> FirstTries<'_> {
        FirstTries { stored: &self.stored, tried: self.tried.subscribe() }
    }
}

/// The first tries of a session's deliveries.
pub struct FirstTries<'a> {
    stored: &'a Notify,
    tried: broadcast::Receiver<Tried>,
}

impl FirstTries<'_> {
    /// Has what was stored sent at once, and waits until each of `clients` that is to be told was tried: those that are quick know
    /// of the end before the browser goes on. The others hold it for two seconds and no longer.
    pub async fn wait(mut self, session: SessionId, clients: &[Client]) {
        let told = clients.iter().filter(|client| receiver(client).is_some());
        let mut left: HashSet<ClientId> = told.map(|client| client.id).collect();
        self.stored.notify_one();
        let all_tried = async {
            while !left.is_empty() {
                match self.tried.recv().await {
                    Ok((of, client)) if of == session => drop(left.remove(&client)),
                    Ok(_) | Err(broadcast::error::RecvError::Lagged(_)) => {}
                    Err(broadcast::error::RecvError::Closed) => break,
                }
            }
        };
        let _ = timeout(PATIENCE, all_tried).await;
    }
}

/// Where `client` is told, if at all.
fn receiver(client: &Client) -> Option<&str> {
    client.metadata.backchannel_logout_uri.as_deref().filter(|_| !client.disabled)
}

/// Sends what is due, for ever.
pub async fn run(app: App) {
    let mut ticks = interval(LOOK_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut sending = JoinSet::new();
    let mut busy: HashMap<Id, ClientId> = HashMap::new();
    let mut last = ClientId(0);
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            () = app.deliveries.stored.notified() => {}
            Some(ended) = sending.join_next_with_id() => {
                busy.remove(&ended.map_or_else(|panicked| panicked.id(), |(id, ())| id));
            }
        }
        let clients: Vec<ClientId> = busy.values().copied().collect();
        let (now, room) = (app.now(), MAX_SENDING - busy.len());
        let due =
            app.store.read(move |reads| reads.list_due_logout_deliveries(last, &clients, now, room)).await;
        match due {
            Ok(due) => {
                for delivery in due {
                    last = delivery.client_id;
                    busy.insert(sending.spawn(try_one(app.clone(), delivery)).id(), last);
                }
            }
            Err(error) => {
                tracing::warn!(cause = %error, "Cannot see which clients are to be told of a logout");
                sleep(REST).await;
            }
        }
    }
}

async fn try_one(app: App, delivery: LogoutDelivery) {
    if let Err(error) = deliver(&app, &delivery).await {
        tracing::warn!(cause = %error, "Cannot note what became of a logout token");
        sleep(REST).await;
    }
    // Nobody waits, mostly.
    let _ = app.deliveries.tried.send((delivery.session_id, delivery.client_id));
}

/// Why a try failed; the word stands in the event.
enum Failure {
    Fetch(crate::fetch::FetchError),
    /// The client's answer (Back-Channel Logout §2.8).
    Status(u16),
    /// No key signs with the client's algorithm.
    NoKey,
    /// Its time was over before its turn came.
    Expired,
}

async fn deliver(app: &App, delivery: &LogoutDelivery) -> Result<(), StoreError> {
    let now = app.now();
    let (claim, next_at) = (delivery.clone(), delivery.begin(now));
    let claimed = app
        .store
        .write(app.write_deadline(), move |tx| {
            let client = tx.find_client(claim.client_id)?.filter(|client| receiver(client).is_some());
            // A client that is gone, or wants to know no more.
            let Some(client) = client else { return tx.delete_logout_delivery(&claim).map(|_| None) };
            let may_go_on = match next_at {
                Some(next_at) => tx.claim_logout_delivery(&claim, next_at)?,
                None => true,
            };
            Ok(may_go_on.then_some(client))
        })
        .await?;
    let Some(client) = claimed else { return Ok(()) };
    let result = match next_at {
        Some(_) => send(app, &client, delivery, now).await,
        None => Err(Failure::Expired),
    };
    let is_over = result.is_ok() || next_at.is_none() || delivery.is_last();
    let event = event_of(app, &client, delivery, &result, is_over);
    app.metrics.logout_delivery(result.is_ok(), is_over);
    let done = delivery.clone();
    app.store
        .write(app.write_deadline(), move |tx| {
            if is_over && !tx.delete_logout_delivery(&done)? {
                return Ok(()); // another node was quicker
            }
            tx.insert_event(&event)
        })
        .await
}

/// Sends a token of its own with each try.
async fn send(app: &App, client: &Client, delivery: &LogoutDelivery, now: Timestamp) -> Result<(), Failure> {
    let token = make_token(app, client, delivery, now)?;
    let uri = receiver(client).expect("deliver has looked");
    match app.fetcher.post_form(uri, &[("logout_token", &token)]).await.map_err(Failure::Fetch)? {
        200 | 204 => Ok(()),
        status => Err(Failure::Status(status)),
    }
}

/// The logout token, signed as the client's ID tokens are (Back-Channel Logout §2.4).
fn make_token(
    app: &App,
    client: &Client,
    delivery: &LogoutDelivery,
    now: Timestamp,
) -> Result<String, Failure> {
    let current = app.current();
    let key = current.keys.signer(client.id_token_alg, now).ok_or(Failure::NoKey)?;
    let issuer = app.settings.issuer.as_str();
    let sector = client.pairwise_sector();
    let (sub, sid) = (app.secrets.subject(sector, &delivery.sub), app.secrets.sid(sector, &delivery.sid));
    let jti = random::public_id();
    let claims = back_channel_logout::claims(issuer, &client.client_id, &sub, &sid, &jti, now);
    let payload = serde_json::to_vec(&claims).expect("claims are JSON");
    key.sign(Some(back_channel_logout::TYP), &payload).map_err(|_| Failure::NoKey)
}

fn event_of(
    app: &App,
    client: &Client,
    delivery: &LogoutDelivery,
    result: &Result<(), Failure>,
    is_over: bool,
) -> Event {
    let kind = if result.is_ok() { EventKind::LogoutDelivered } else { EventKind::LogoutFailed };
    let mut event = app.event(kind, "server");
    event.user = Some(delivery.sub.clone());
    event.client = Some(client.client_id.clone());
    let mut set = |name: &str, value: serde_json::Value| event.detail.insert(name.to_owned(), value);
    set("sid", delivery.sid.as_str().into());
    set("attempts", (delivery.attempts + u32::from(!matches!(result, Err(Failure::Expired)))).into());
    if let Err(failure) = result {
        set("again", (!is_over).into());
        set("reason", failure.word().into());
        if let Failure::Status(status) = failure {
            set("status", (*status).into());
        }
    }
    event
}

impl Failure {
    fn word(&self) -> &'static str {
        match self {
            Self::Fetch(error) => error.word(),
            Self::Status(_) => "status",
            Self::NoKey => "no_key",
            Self::Expired => "expired",
        }
    }
}
