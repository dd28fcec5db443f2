//! Rows as the server makes them, put into its database by its own store in big units of work: so a load meets many, and in seconds.

use std::fs::File;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, Result};
use authmachine_protocol::{ClaimsRequest, Scopes, Timestamp};
use authmachine_provider::access_token::AccessToken;
use authmachine_provider::browser_session::Session;
use authmachine_provider::client::Client;
use authmachine_provider::grant::Grant;
use authmachine_provider::handle::{Handle, RefreshToken};
use authmachine_provider::ids::{GrantId, IdSource, Kind, SessionId, UserId};
use authmachine_provider::refresh_token::RefreshFamily;
use authmachine_provider::user::{User, UserStatus};
use authmachine_store::settings::{Database, Settings, Synchronous};
use authmachine_store::{Store, StoreError, Tx};
use serde_json::Map;

use crate::installation::{CLIENTS, USER};
use crate::progress::Progress;
use crate::random::Random;

/// How many of each.
#[derive(Clone, Copy, Default)]
pub(crate) struct Rows {
    /// People, each with a session.
    pub(crate) users: usize,
    /// Grants of these people, each with an access token and a refresh token family.
    pub(crate) tokens: usize,
    /// Grants whose userinfo has 20 permissions.
    pub(crate) permission_tokens: usize,
    /// Sessions to be ended.
    pub(crate) sessions: usize,
}

/// What a load draws from; of many tokens some, evenly.
#[derive(Clone, Default)]
pub(crate) struct Loaded {
    pub(crate) access_tokens: Vec<String>,
    pub(crate) permission_tokens: Vec<String>,
    pub(crate) refresh_tokens: Vec<String>,
    pub(crate) sessions: Vec<String>,
    /// Of all people.
    pub(crate) live_sessions: Vec<(SessionId, UserId)>,
}

/// The most tokens that are kept.
const KEPT: usize = 500_000;
/// Rows in a unit of work.
const IN_A_UNIT: usize = 2_000;
const LIMIT: Duration = Duration::from_secs(120);
/// The most recent row is so old, so that what the server makes comes after it.
const AGE_S: i64 = 600;
const LIFE_S: i64 = 11 * 3_600;
const SCOPES: &str = "openid profile email";

/// Makes rows for one client.
pub(crate) struct Maker {
    ids: IdSource,
    random: Random,
    client: Client,
    scopes: Scopes,
    now: Timestamp,
}

/// One grant with what was issued under it.
pub(crate) struct Issued {
    pub(crate) grant: Grant,
    pub(crate) access: Handle,
    pub(crate) access_row: AccessToken,
    pub(crate) refresh: RefreshToken,
    pub(crate) family: RefreshFamily,
}

/// Opens the embedded database in `folder`.
pub(crate) fn open(folder: &Path, synchronous: Synchronous) -> Result<Store> {
    Ok(Store::open(Settings::new(Database::Sqlite { folder: folder.to_owned(), synchronous }))?)
}

/// The time now, as rows have it.
pub(crate) fn now() -> Result<Timestamp> {
    #[expect(clippy::disallowed_methods, reason = "the rows are for a server that runs by the clock")]
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?;
    Ok(Timestamp::from_ms(i64::try_from(now.as_millis())?))
}

impl Maker {
    /// For the first client of the installation behind `store`; what it makes is as old as `age_s` says.
    pub(crate) fn new(store: &Store, age_s: i64) -> Result<Self> {
        let client = store.read_blocking(|reads| reads.find_client_by_client_id(CLIENTS[0].0))?;
        let mut random = Random::new();
        Ok(Self {
            ids: IdSource::new(random.bytes::<1>()[0]),
            client: client.context("the installation has no client yet")?,
            random,
            scopes: Scopes::parse(SCOPES)?,
            now: now()?.plus_seconds(-age_s),
        })
    }

    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    pub(crate) fn id(&self, kind: Kind) -> i64 {
        self.ids.next(kind, self.now)
    }

    pub(crate) fn handle(&mut self, kind: Kind) -> Handle {
        Handle::new(self.id(kind), &self.random.bytes())
    }

    pub(crate) fn time(&self) -> Timestamp {
        self.now
    }

    fn text(&mut self) -> String {
        self.random.bytes::<16>().iter().map(|byte| format!("{byte:02x}")).collect()
    }

    fn user(&mut self, number: usize) -> User {
        User {
            id: UserId(self.id(Kind::Row)),
            sub: self.text(),
            username: format!("user{number}"),
            email: Some(format!("user{number}@example.com")),
            email_verified: true,
            status: UserStatus::Active,
            claims: Map::from_iter([("name".to_owned(), format!("User {number}").into())]),
            epoch: 0,
            created_at: self.now,
            updated_at: self.now,
        }
    }

    fn session(&mut self, user: UserId, epoch: i64) -> (Session, Handle) {
        let handle = self.handle(Kind::Session);
        let session = Session {
            id: SessionId(handle.id()),
            sid: self.text(),
            user_id: user,
            user_epoch: epoch,
            created_at: self.now,
            auth_time: self.now,
            amr: vec!["pwd".to_owned()],
            last_seen_at: self.now.plus_seconds(AGE_S),
            expires_at: self.now.plus_seconds(LIFE_S),
            ended_at: None,
            tokens_revoked_at: None,
            user_agent: "benches".to_owned(),
            address: "127.0.0.1".to_owned(),
        };
        (session, handle)
    }

    /// A grant of a person's, or of the client's own.
    pub(crate) fn grant(&self, user: Option<UserId>, session: Option<SessionId>, epoch: i64) -> Grant {
        Grant {
            id: GrantId(self.id(Kind::Row)),
            user_id: user,
            client_id: self.client.id,
            session_id: session,
            scopes: self.scopes.clone(),
            claims: ClaimsRequest::default(),
            nonce: user.map(|_| "bench".to_owned()),
            auth_time: user.map(|_| self.now),
            amr: user.map(|_| "pwd".to_owned()).into_iter().collect(),
            acr: None,
            offline: false,
            user_epoch: epoch,
            consent_version: 0,
            created_at: self.now,
            expires_at: self.now.plus_seconds(LIFE_S),
            revoked_at: None,
        }
    }

    pub(crate) fn access_token(&mut self) -> (Handle, AccessToken) {
        let handle = self.handle(Kind::AccessToken);
        let row = AccessToken {
            id: handle.id(),
            scopes: self.scopes.clone(),
            created_at: self.now,
            expires_at: self.now.plus_seconds(LIFE_S),
            revoked_at: None,
        };
        (handle, row)
    }

    pub(crate) fn family(&mut self) -> (RefreshToken, RefreshFamily) {
        let token =
            RefreshToken::first(self.id(Kind::RefreshToken), self.random.bytes(), self.random.bytes());
        let end = self.now.plus_seconds(LIFE_S);
        let family = RefreshFamily {
            id: token.id,
            generation: token.generation,
            sha256: token.sha256(),
            proof_sha256: token.proof_sha256(),
            scopes: self.scopes.clone(),
            idle_expires_at: end,
            expires_at: end,
            revoked_at: None,
            last_answer: None,
        };
        (token, family)
    }

    pub(crate) fn next_token(&mut self, token: &RefreshToken) -> RefreshToken {
        token.next(self.random.bytes())
    }

    fn issued(&mut self, user: UserId, session: SessionId, epoch: i64) -> Issued {
        let grant = self.grant(Some(user), Some(session), epoch);
        let (access, access_row) = self.access_token();
        let (refresh, family) = self.family();
        Issued { grant, access, access_row, refresh, family }
    }
}

impl Issued {
    fn insert(&self, tx: &mut Tx) -> Result<(), StoreError> {
        tx.insert_grant(&self.grant)?;
        tx.insert_access_token(&self.access_row, &self.access.sha256(), self.grant.id)?;
        tx.insert_refresh_family(&self.family, self.grant.id)
    }
}

/// Puts `rows` into the database behind `store`, after `before` that are there already.
pub(crate) fn load(store: &Store, rows: Rows, before: &mut Loaded, first_user: usize) -> Result<()> {
    let mut maker = Maker::new(store, AGE_S)?;
    let alice = store.read_blocking(|reads| reads.find_user_by_login(USER))?.context("no user yet")?;
    let all = rows.users + rows.tokens + rows.permission_tokens + rows.sessions;
    let progress = Progress::new(all.div_ceil(IN_A_UNIT));

    for first in (0..rows.users).step_by(IN_A_UNIT) {
        let numbers = first_user + first..first_user + rows.users.min(first + IN_A_UNIT);
        let people: Vec<_> = numbers
            .map(|number| {
                let user = maker.user(number);
                let (session, handle) = maker.session(user.id, user.epoch);
                (user, session, handle.sha256())
            })
            .collect();
        before.live_sessions.extend(people.iter().map(|(user, session, _)| (session.id, user.id)));
        unit(store, people, |tx, (user, session, sha256)| {
            tx.insert_user(user)?;
            tx.insert_session(session, sha256)
        })?;
        progress.step("users");
    }

    let every = rows.tokens.div_ceil(KEPT).max(1);
    for first in (0..rows.tokens).step_by(IN_A_UNIT) {
        let mut issued = Vec::with_capacity(IN_A_UNIT);
        for n in first..rows.tokens.min(first + IN_A_UNIT) {
            let (session, user) = before.live_sessions[maker.random.below(before.live_sessions.len())];
            let one = maker.issued(user, session, 0);
            if n.is_multiple_of(every) {
                before.access_tokens.push(one.access.reveal().to_owned());
                before.refresh_tokens.push(one.refresh.reveal().to_string());
            }
            issued.push(one);
        }
        unit(store, issued, |tx, one| one.insert(tx))?;
        progress.step("tokens");
    }

    let objects = (1..=20).map(|n| format!("object{n}")).collect();
    let claims = ClaimsRequest { userinfo_permissions: Some(objects), ..ClaimsRequest::default() };
    let (session, handle) = maker.session(alice.id, alice.epoch);
    // Each with a grant, which notes the client in it: who never was there has no say in a logout.
    let sessions: Vec<_> = (0..rows.sessions)
        .map(|_| {
            let (session, handle) = maker.session(alice.id, alice.epoch);
            let grant = maker.grant(Some(alice.id), Some(session.id), alice.epoch);
            (session, handle, grant)
        })
        .collect();
    before.sessions.extend(sessions.iter().map(|(_, handle, _)| handle.reveal().to_owned()));
    let mut permitted = Vec::new();
    for _ in 0..rows.permission_tokens {
        let mut one = maker.issued(alice.id, session.id, alice.epoch);
        one.grant.claims = claims.clone();
        before.permission_tokens.push(one.access.reveal().to_owned());
        permitted.push(one);
    }
    unit(store, vec![(session, handle)], |tx, (session, handle)| {
        tx.insert_session(session, &handle.sha256())
    })?;
    for chunk in chunks(sessions) {
        unit(store, chunk, |tx, (session, handle, grant)| {
            tx.insert_session(session, &handle.sha256())?;
            tx.insert_grant(grant)
        })?;
        progress.step("sessions");
    }
    for chunk in chunks(permitted) {
        unit(store, chunk, |tx, one| one.insert(tx))?;
        progress.step("tokens with permissions");
    }
    Ok(())
}

fn chunks<T>(mut things: Vec<T>) -> Vec<Vec<T>> {
    let mut chunks = Vec::new();
    while !things.is_empty() {
        let rest = things.split_off(things.len().min(IN_A_UNIT));
        chunks.push(std::mem::replace(&mut things, rest));
    }
    chunks
}

/// One unit of work for many rows.
fn unit<T: Send + 'static>(
    store: &Store,
    rows: Vec<T>,
    insert: impl Fn(&mut Tx, &T) -> Result<(), StoreError> + Send + 'static,
) -> Result<()> {
    let insert = move |tx: &mut Tx| rows.iter().try_for_each(|row| insert(tx, row));
    Ok(store.write_blocking(Instant::now() + LIMIT, insert)?)
}

/// What was written without waiting for the disk is there before anybody measures.
pub(crate) fn sync(folder: &Path) -> Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_file() {
            File::open(&path)?.sync_all()?;
        }
    }
    Ok(())
}

/// Copies the files of a data folder.
pub(crate) fn copy(from: &Path, to: &Path) -> Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let path = entry?.path();
        if let (true, Some(name)) = (path.is_file(), path.file_name()) {
            std::fs::copy(&path, to.join(name))?;
        }
    }
    sync(to)
}
