//! The parts of a floor, each measured alone on the load's processor: what the store, a signature and a hash cost without a server.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use argon2::{Algorithm as Argon2Algorithm, Argon2, Params, Version};
use authmachine_jose::{Algorithm, SigningKey};
use authmachine_provider::authorization_code::{AuthorizationCode, Taken};
use authmachine_provider::event::{Event, EventKind};
use authmachine_provider::grant::GrantFacts;
use authmachine_provider::handle::{Handle, Presented, RefreshToken};
use authmachine_provider::ids::{ClientId, EventId, Kind, SessionId, UserId};
use authmachine_provider::lives::Lives;
use authmachine_provider::refresh_token::RefreshFamily;
use authmachine_provider::{Timestamp, access_token::AccessToken};
use authmachine_store::settings::Synchronous;
use authmachine_store::{Store, StoreError, Tx};
use serde_json::Map;
use tokio::runtime::Runtime;
use tokio::task::JoinSet;

use crate::bars::Part;
use crate::installation::{REDIRECT_URI, USER};
use crate::random::Random;
use crate::rows::{self, Loaded, Maker};

/// How long a part is measured.
const TIME: Duration = Duration::from_millis(300);
const DEADLINE: Duration = Duration::from_secs(10);

/// A store like the server's with rows like the server's, and keys.
pub(crate) struct Floor {
    stored: Option<Stored>,
    es256: SigningKey,
    rs256: SigningKey,
}

struct Stored {
    store: Store,
    loaded: Arc<Loaded>,
    objects: Vec<String>,
    shared: Arc<Mutex<Shared>>,
    /// Units of work that wait at a time.
    waiting: usize,
    alice: UserId,
    alice_sub: String,
    now: Timestamp,
}

/// What units of work draw from and add to.
struct Shared {
    maker: Maker,
    random: Random,
    sessions: Vec<(SessionId, UserId)>,
    codes: Vec<Handle>,
    refresh_tokens: Vec<RefreshToken>,
    /// To be ended.
    ends: Vec<SessionId>,
}

impl Floor {
    /// Signatures and hashes alone.
    pub(crate) fn without_store() -> Result<Self> {
        let key = |algorithm| SigningKey::generate(algorithm, "bench");
        Ok(Self { stored: None, es256: key(Algorithm::ES256)?, rs256: key(Algorithm::RS256)? })
    }

    /// With the embedded database in `folder`, which has the rows of `loaded`.
    pub(crate) fn with_store(folder: &Path, loaded: Arc<Loaded>, waiting: usize) -> Result<Self> {
        let store = rows::open(folder, Synchronous::Full)?;
        let alice = store.read_blocking(|reads| reads.find_user_by_login(USER))?.context("no user yet")?;
        let parse =
            |text: &String| Presented::parse(Kind::Session, text).map(|session| SessionId(session.id));
        let shared = Shared {
            maker: Maker::new(&store, 0)?,
            random: Random::new(),
            sessions: loaded.live_sessions.clone(),
            codes: Vec::new(),
            refresh_tokens: loaded
                .refresh_tokens
                .iter()
                .filter_map(|text| RefreshToken::parse(text))
                .collect(),
            ends: loaded.sessions.iter().filter_map(parse).collect(),
        };
        let stored = Stored {
            store,
            loaded,
            objects: (1..=20).map(|n| format!("object{n}")).collect(),
            shared: Arc::new(Mutex::new(shared)),
            waiting,
            alice: alice.id,
            alice_sub: alice.sub,
            now: rows::now()?,
        };
        Ok(Self { stored: Some(stored), ..Self::without_store()? })
    }

    /// Seconds for one of `part`; `None` where it cannot be measured here.
    pub(crate) fn seconds(&self, part: Part, runtime: &Runtime) -> Result<Option<f64>> {
        let sign = |key: &SigningKey| {
            each(|| {
                key.sign(None, &[b'x'; 300])?;
                Ok(())
            })
        };
        Ok(Some(match (part, &self.stored) {
            (Part::SignEs256, _) => sign(&self.es256)?,
            (Part::SignRs256, _) => sign(&self.rs256)?,
            (Part::Hash, _) => hash()?,
            (Part::Request, _) | (_, None) => return Ok(None),
            (_, Some(stored)) => return stored.seconds(part, runtime),
        }))
    }
}

impl Stored {
    fn seconds(&self, part: Part, runtime: &Runtime) -> Result<Option<f64>> {
        let unit: fn(&mut Shared) -> Option<Unit> = match part {
            Part::UnitClientCredentials => client_credentials,
            Part::UnitAuthorize => authorize,
            Part::UnitRedeem => redeem,
            Part::UnitRefresh => refresh,
            Part::UnitLogout => log_out,
            read => return self.read(read).map(Some),
        };
        if part == Part::UnitRedeem {
            // There must be codes.
            runtime.block_on(self.units(authorize, TIME * 2))?;
        }
        let seconds = runtime.block_on(self.units(unit, TIME))?;
        Ok(seconds.is_finite().then_some(seconds))
    }

    fn read(&self, part: Part) -> Result<f64> {
        let mut random = Random::new();
        let (store, loaded, now) = (&self.store, &self.loaded, self.now);
        let mut token = |tokens: &[String]| {
            let text = tokens.get(random.below(tokens.len().max(1))).context("no tokens")?;
            Presented::parse(Kind::AccessToken, text).context("a token that is none")
        };
        let alice = self.alice;
        match part {
            Part::ReadToken => each(|| {
                let presented = token(&loaded.access_tokens)?;
                let found = store.read_blocking(move |reads| reads.find_access_token(&presented))?;
                found.context("no such token").map(drop)
            }),
            Part::ReadTokenAndPermissions => each(|| {
                let (presented, objects) = (token(&loaded.permission_tokens)?, self.objects.clone());
                store.read_blocking(move |reads| {
                    reads.find_access_token(&presented)?;
                    reads.held_permissions(alice, Some(&objects), now)
                })?;
                Ok(())
            }),
            Part::ReadPermissions => each(|| {
                let sub = self.alice_sub.clone();
                store.read_blocking(move |reads| reads.find_user_by_sub(&sub))?;
                store.read_blocking(move |reads| reads.held_permissions(alice, None, now))?;
                Ok(())
            }),
            _ => {
                let mut random = Random::new();
                each(|| {
                    let text = loaded
                        .sessions
                        .get(random.below(loaded.sessions.len().max(1)))
                        .context("no sessions")?;
                    let presented =
                        Presented::parse(Kind::Session, text).context("a session that is none")?;
                    store.read_blocking(move |reads| reads.find_session(&presented))?;
                    Ok(())
                })
            }
        }
    }

    /// Seconds for each of many units of work, so many waiting at a time.
    async fn units(&self, make: fn(&mut Shared) -> Option<Unit>, time: Duration) -> Result<f64> {
        let began = Instant::now();
        let mut running = JoinSet::new();
        for _ in 0..self.waiting {
            let (store, shared) = (self.store.clone(), self.shared.clone());
            running.spawn(async move {
                let mut done = 0_u32;
                while began.elapsed() < time {
                    let made = make(&mut shared.lock().unwrap_or_else(PoisonError::into_inner));
                    let Some(Unit { run, then }) = made else { break };
                    store.write(Instant::now() + DEADLINE, run).await?;
                    then(&mut shared.lock().unwrap_or_else(PoisonError::into_inner));
                    done += 1;
                }
                Ok::<u32, StoreError>(done)
            });
        }
        let mut done = 0;
        while let Some(ended) = running.join_next().await {
            done += ended??;
        }
        Ok(began.elapsed().as_secs_f64() / f64::from(done))
    }
}

/// What a unit of work does.
type Write = dyn Fn(&mut Tx) -> Result<(), StoreError> + Send;

/// A unit of work as the server has it, without the decision in it, and what it leaves behind.
struct Unit {
    run: Box<Write>,
    then: Box<dyn FnOnce(&mut Shared) + Send>,
}

impl Unit {
    fn new(run: impl Fn(&mut Tx) -> Result<(), StoreError> + Send + 'static) -> Self {
        Self { run: Box::new(run), then: Box::new(|_| ()) }
    }
}

fn client_credentials(shared: &mut Shared) -> Option<Unit> {
    let grant = shared.maker.grant(None, None, 0);
    let (access, row) = shared.maker.access_token();
    let (sha256, event) = (access.sha256(), event(&shared.maker));
    Some(Unit::new(move |tx| {
        tx.insert_grant(&grant)?;
        tx.insert_access_token(&row, &sha256, grant.id)?;
        tx.insert_event(&event)
    }))
}

fn authorize(shared: &mut Shared) -> Option<Unit> {
    let (session, user) = *shared.sessions.get(shared.random.below(shared.sessions.len().max(1)))?;
    let grant = shared.maker.grant(Some(user), Some(session), 0);
    let handle = shared.maker.handle(Kind::AuthorizationCode);
    let code = AuthorizationCode {
        id: handle.id(),
        redirect_uri: REDIRECT_URI.to_owned(),
        code_challenge: None,
        expires_at: grant.expires_at,
    };
    let sha256 = handle.sha256();
    let run = move |tx: &mut Tx| {
        tx.insert_grant(&grant)?;
        tx.insert_code(&code, &sha256, &grant)
    };
    Some(Unit { then: Box::new(move |shared| shared.codes.push(handle)), ..Unit::new(run) })
}

fn redeem(shared: &mut Shared) -> Option<Unit> {
    let handle = shared.codes.pop()?;
    let presented = Presented { id: handle.id(), sha256: handle.sha256() };
    let (access, row) = shared.maker.access_token();
    let (_, family) = shared.maker.family();
    let issue = Issue::new(shared, access, row);
    Some(Unit::new(move |tx| {
        let Taken::Now(taken) = tx.take_code(&presented, issue.client, issue.now)? else {
            return Err(StoreError::Driver("a code that is none".into()));
        };
        let (_, facts) = *taken;
        tx.extend_grant(facts.grant.id, family.idle_expires_at, issue.now)?;
        issue.insert(tx, &facts)?;
        tx.insert_refresh_family(&family, facts.grant.id)
    }))
}

fn refresh(shared: &mut Shared) -> Option<Unit> {
    let at = shared.random.below(shared.refresh_tokens.len().max(1));
    let token = (at < shared.refresh_tokens.len()).then(|| shared.refresh_tokens.swap_remove(at))?;
    let next = shared.maker.next_token(&token);
    let (access, row) = shared.maker.access_token();
    let issue = Issue::new(shared, access, row);
    let (id, following) = (token.id, next.clone());
    let run = move |tx: &mut Tx| {
        let found = tx.find_refresh_family(id)?;
        let (family, facts) = found.ok_or_else(|| StoreError::Driver("a family that is none".into()))?;
        let rotated: RefreshFamily = family.rotated(&following, None, &Lives::default(), issue.now);
        tx.extend_grant(facts.grant.id, rotated.idle_expires_at, issue.now)?;
        tx.rotate_refresh_family(&rotated, family.generation)?;
        issue.insert(tx, &facts)
    };
    Some(Unit { then: Box::new(move |shared| shared.refresh_tokens.push(next)), ..Unit::new(run) })
}

fn log_out(shared: &mut Shared) -> Option<Unit> {
    let session = shared.ends.pop()?;
    let (now, event) = (shared.maker.time(), event(&shared.maker));
    Some(Unit::new(move |tx| {
        tx.end_session(session, now)?;
        tx.insert_event(&event)
    }))
}

/// An access token and the event, which redeeming and refreshing have in common.
struct Issue {
    sha256: [u8; 32],
    row: AccessToken,
    event: Event,
    client: ClientId,
    now: Timestamp,
}

impl Issue {
    fn new(shared: &Shared, access: Handle, row: AccessToken) -> Self {
        let maker = &shared.maker;
        Self {
            sha256: access.sha256(),
            row,
            event: event(maker),
            client: maker.client().id,
            now: maker.time(),
        }
    }

    fn insert(&self, tx: &mut Tx, facts: &GrantFacts) -> Result<(), StoreError> {
        tx.insert_access_token(&self.row, &self.sha256, facts.grant.id)?;
        let user = facts.user.as_ref().map(|user| user.sub.clone());
        tx.insert_event(&Event { user, ..self.event.clone() })
    }
}

fn event(maker: &Maker) -> Event {
    Event {
        id: EventId(maker.id(Kind::Row)),
        at: maker.time(),
        kind: EventKind::TokensIssued,
        actor: format!("client:{}", maker.client().client_id),
        user: None,
        client: Some(maker.client().client_id.clone()),
        request_id: Some("0123456789abcdef0123456789abcdef".to_owned()),
        address: Some("127.0.0.1".to_owned()),
        detail: Map::from_iter([("grant_type".to_owned(), "authorization_code".into())]),
    }
}

fn hash() -> Result<f64> {
    let params = Params::new(19_456, 2, 1, None).ok().context("the parameters are in Argon2's range")?;
    let argon2 = Argon2::new(Argon2Algorithm::Argon2id, Version::V0x13, params);
    let mut output = [0; 32];
    each(|| {
        let hashed = argon2.hash_password_into(b"nobody signs in with this", &[7; 16], &mut output);
        hashed.ok().context("it can be hashed")
    })
}

/// Seconds for each of many steps.
fn each(mut step: impl FnMut() -> Result<()>) -> Result<f64> {
    let began = Instant::now();
    let mut steps = 0_u32;
    while began.elapsed() < TIME {
        step()?;
        steps += 1;
    }
    Ok(began.elapsed().as_secs_f64() / f64::from(steps))
}

/// Appends of 4 KiB to a file in `folder`, each waited for until it is on disk, in a second.
pub(crate) fn disk_syncs(folder: &Path) -> Result<f64> {
    use std::io::Write as _;
    let path = folder.join("sync-test");
    let mut file = std::fs::File::options().create(true).append(true).open(&path)?;
    let block = [7; 4096];
    let seconds = each(|| {
        file.write_all(&block)?;
        Ok(file.sync_data()?)
    });
    std::fs::remove_file(&path)?;
    Ok(1.0 / seconds?)
}
