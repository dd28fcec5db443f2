//! `kill -9` in the middle of logins, redemptions, refreshes and revocations (checklist RB1): what was acknowledged stays so, and
//! nothing is usable twice.
//!
//! Each worker is one person with one client, and keeps a ledger: what it was told, and what it asked without an answer. The
//! server is killed when the seeded number of acknowledgements is reached, restarted, and held to every ledger. What was in doubt
//! may have happened or not; once seen, it stays.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use authmachine_e2e::{Client, Engine, Provider, Random, Stop, Tokens, Visitor, http::Lost, note, wait};
use tokio::sync::Notify;
use url::Url;

const ROUNDS: usize = 20;
const WORKERS: usize = 8;
/// Acknowledgements in a round before the server is killed.
const ACKNOWLEDGED: std::ops::Range<usize> = 150..400;
/// Checklist RB1; of a debug build on a machine with other work this is the median.
const READY_WITHIN: Duration = Duration::from_secs(2);
/// Earlier facts that a worker looks at again after each restart; at the end all of them.
const SAMPLE: usize = 6;
/// Access tokens of a family that it looks at then, the newest.
const NEWEST: usize = 3;

on_each_engine!(rb1_nothing_acknowledged_is_lost_and_nothing_works_twice);

/// What is known about something that ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// It works.
    Alive,
    /// Its end was asked for, and no answer came.
    InDoubt,
    /// It is over.
    Ended,
}

struct Code {
    code: String,
    state: State,
    session: usize,
}

/// What one code bought.
struct Family {
    session: usize,
    code: usize,
    access: Vec<(String, State)>,
    /// The newest refresh token that is known. In doubt: it was used, and the answer is lost.
    refresh: (String, State),
    /// Refresh tokens that were used with an answer.
    used: Vec<String>,
}

struct Session {
    visitor: Visitor,
    state: State,
}

/// One person with one client.
struct Worker {
    name: String,
    password: &'static str,
    client: Client,
    provider: String,
    logout_uri: String,
    random: Random,
    sessions: Vec<Session>,
    codes: Vec<Code>,
    families: Vec<Family>,
}

/// Why a worker stops.
enum Stopped {
    /// The server is gone.
    Lost,
}

impl From<Lost> for Stopped {
    fn from(_: Lost) -> Self {
        Self::Lost
    }
}

/// Counts acknowledgements, and tells when there are enough.
struct Progress {
    acknowledged: AtomicUsize,
    enough: AtomicUsize,
    reached: Notify,
}

impl Progress {
    fn acknowledge(&self) {
        if self.acknowledged.fetch_add(1, Relaxed) + 1 == self.enough.load(Relaxed) {
            self.reached.notify_one();
        }
    }
}

async fn rb1_nothing_acknowledged_is_lost_and_nothing_works_twice(engine: Engine) {
    let seed = Random::seed();
    note(format_args!("AUTHMACHINE_TEST_SEED={seed}"));
    let mut random = Random::new(seed);
    let mut provider = Provider::prepare(&engine).await;
    // What is told here is told by the ledgers; the log of thousands of requests is not needed.
    provider.set("LOG__LEVEL", "warn");
    // The codes of the first rounds are still good in the last one.
    provider.set("LIVES__CODE", "10m");
    provider.launch().await;
    let mut workers = Vec::new();
    for n in 0..WORKERS {
        workers.push(Worker::new(&provider, n, random.number()).await);
    }

    let progress = Arc::new(Progress {
        acknowledged: AtomicUsize::new(0),
        enough: AtomicUsize::new(0),
        reached: Notify::new(),
    });
    let mut ready_after = Vec::new();
    for _ in 0..ROUNDS {
        let enough = ACKNOWLEDGED.start + random.below(ACKNOWLEDGED.len());
        progress.enough.store(progress.acknowledged.load(Relaxed) + enough, Relaxed);
        let running: Vec<_> = workers
            .drain(..)
            .map(|mut worker| {
                let progress = progress.clone();
                tokio::spawn(async move {
                    worker.work(&progress).await;
                    worker
                })
            })
            .collect();
        // Should a worker fail before, it is told below.
        let _ = tokio::time::timeout(wait::PATIENCE, progress.reached.notified()).await;
        tokio::time::sleep(Duration::from_micros(u64::try_from(random.below(5_000)).expect("small"))).await;
        provider.kill();
        for worker in running {
            workers.push(worker.await.expect("a worker found everything in order"));
        }
        provider.check_database();
        ready_after.push(provider.launch().await);
        workers = each(workers, Some(SAMPLE)).await;
    }
    let families: usize = workers.iter().map(|worker| worker.families.len()).sum();
    each(workers, None).await;
    assert!(provider.stop().await.success());
    provider.check_database();

    ready_after.sort_unstable();
    let (median, worst) = (ready_after[ROUNDS / 2], ready_after[ROUNDS - 1]);
    let acknowledged = progress.acknowledged.load(Relaxed);
    note(format_args!(
        "{ROUNDS} times killed after {acknowledged} acknowledgements, {families} token families; \
         ready again after {} ms (median), {} ms (worst)",
        median.as_millis(),
        worst.as_millis()
    ));
    assert!(median <= READY_WITHIN, "{median:?}");
}

/// Every worker checks its ledger, all at once.
async fn each(workers: Vec<Worker>, sample: Option<usize>) -> Vec<Worker> {
    let checking: Vec<_> = workers
        .into_iter()
        .map(|mut worker| {
            tokio::spawn(async move {
                worker
                    .check(sample)
                    .await
                    .unwrap_or_else(|Stopped::Lost| panic!("the restarted server does not answer"));
                worker
            })
        })
        .collect();
    let mut checked = Vec::new();
    for worker in checking {
        checked.push(worker.await.expect("every ledger holds"));
    }
    checked
}

impl Worker {
    async fn new(provider: &Provider, n: usize, seed: u64) -> Self {
        let name = format!("worker{n}");
        provider.add_user(&name).await;
        let redirect_uri = format!("https://{name}.example.com/cb");
        let logout_uri = format!("https://{name}.example.com/out");
        let new = Client::of(&name, &redirect_uri).logout_uri(&logout_uri).with(&["--first-party"]);
        let client = provider.add_client(new).await;
        let mut worker = Self {
            password: provider.password(),
            client,
            provider: provider.issuer().to_owned(),
            random: Random::new(seed),
            sessions: Vec::new(),
            codes: Vec::new(),
            families: Vec::new(),
            logout_uri,
            name,
        };
        let Ok(true) = worker.sign_in().await else { panic!("{} cannot sign in", worker.name) };
        worker
    }

    /// Goes on until the server is gone.
    async fn work(&mut self, progress: &Progress) {
        while let Ok(done) = self.step().await {
            if done {
                progress.acknowledge();
            }
        }
    }

    /// Does one thing; whether there was something to do.
    async fn step(&mut self) -> Result<bool, Stopped> {
        let live: Vec<usize> = of_state(&self.sessions, |session| session.state, State::Alive);
        let session = *self.random.pick(&live).expect("the first one is never ended");
        let fresh = of_state(&self.codes, |code| code.state, State::Alive);
        let families: Vec<usize> = of_state(&self.families, |family| family.refresh.1, State::Alive);
        match self.random.below(100) {
            0..30 => self.authorize(session).await,
            30..60 => match self.random.pick(&fresh).copied() {
                Some(code) => self.redeem(code).await,
                None => Ok(false),
            },
            60..80 => match self.random.pick(&families).copied() {
                Some(family) => self.refresh(family).await,
                None => Ok(false),
            },
            80..88 => match self.random.pick(&families).copied() {
                Some(family) => self.revoke_access(family).await,
                None => Ok(false),
            },
            88..92 => match self.random.pick(&families).copied() {
                Some(family) => self.revoke_refresh(family).await,
                None => Ok(false),
            },
            92..97 => self.sign_in().await,
            // The first session stays, so that there is always one.
            _ if session > 0 => self.log_out(session).await,
            _ => Ok(false),
        }
    }

    /// Signs in with the password, in a new browser.
    async fn sign_in(&mut self) -> Result<bool, Stopped> {
        let mut visitor = Visitor::new();
        let stop = match self.client.authorize(&mut visitor, &self.name, self.password, &[]).await? {
            // Tries that were cut short count as well (checklist BF3): after a few of them in a row the next one has to wait.
            Stop::Page(page) if page.status == 429 => return Ok(false),
            stop => stop,
        };
        let session = self.sessions.len();
        // Told: the code came back.
        let code = code_of(stop);
        self.sessions.push(Session { visitor, state: State::Alive });
        self.codes.push(Code { code, state: State::Alive, session });
        Ok(true)
    }

    /// Gets a code by the session alone.
    async fn authorize(&mut self, session: usize) -> Result<bool, Stopped> {
        let url = self.client.authorize_url(&[("prompt", "none")]);
        let stop = self.sessions[session].visitor.try_visit(&url, &[&self.client.redirect_uri]).await?;
        self.codes.push(Code { code: code_of(stop), state: State::Alive, session });
        Ok(true)
    }

    async fn redeem(&mut self, code: usize) -> Result<bool, Stopped> {
        self.codes[code].state = State::InDoubt;
        let answer = self.client.redeem(&self.codes[code].code).await?;
        self.codes[code].state = State::Ended;
        self.keep(code, Tokens::of(answer));
        Ok(true)
    }

    fn keep(&mut self, code: usize, tokens: Tokens) {
        let refresh = tokens.refresh.expect("its client may refresh");
        let session = self.codes[code].session;
        let access = vec![(tokens.access, State::Alive)];
        self.families.push(Family {
            session,
            code,
            access,
            refresh: (refresh, State::Alive),
            used: Vec::new(),
        });
    }

    async fn refresh(&mut self, family: usize) -> Result<bool, Stopped> {
        let family = &mut self.families[family];
        family.refresh.1 = State::InDoubt;
        let tokens = Tokens::of(self.client.refresh(&family.refresh.0).await?);
        family.renew(tokens);
        Ok(true)
    }

    async fn revoke_access(&mut self, family: usize) -> Result<bool, Stopped> {
        let Some(at) = self.families[family].access.iter().position(|(_, state)| *state == State::Alive)
        else {
            return Ok(false);
        };
        let access = &mut self.families[family].access[at];
        access.1 = State::InDoubt;
        self.client.revoke(&access.0).await?.expect(200);
        access.1 = State::Ended;
        Ok(true)
    }

    /// RFC 7009 §2.1: with a refresh token go the access tokens of its grant.
    async fn revoke_refresh(&mut self, family: usize) -> Result<bool, Stopped> {
        let family = &mut self.families[family];
        family.all_but_ended(State::InDoubt);
        self.client.revoke(&family.refresh.0).await?.expect(200);
        family.all_but_ended(State::Ended);
        Ok(true)
    }

    /// Ends a session with all that it issued, for every client.
    async fn log_out(&mut self, session: usize) -> Result<bool, Stopped> {
        self.end_of(session, State::InDoubt);
        let mut url = Url::parse(&format!("{}/oidc/logout", self.provider)).expect("the issuer is a URL");
        url.query_pairs_mut()
            .extend_pairs([("post_logout_redirect_uri", &*self.logout_uri), ("revoke_tokens", "1")]);
        self.sessions[session].visitor.try_visit(url.as_str(), &[&self.logout_uri]).await?.left();
        self.end_of(session, State::Ended);
        Ok(true)
    }

    fn end_of(&mut self, session: usize, state: State) {
        self.sessions[session].state = state;
        for family in self.families.iter_mut().filter(|family| family.session == session) {
            family.all_but_ended(state);
        }
        for code in self.codes.iter_mut().filter(|code| code.session == session && code.state != State::Ended)
        {
            code.state = state;
        }
    }

    /// Holds the server to the ledger: to all that is in doubt, all that is new, and a sample of the rest; or to everything.
    async fn check(&mut self, sample: Option<usize>) -> Result<(), Stopped> {
        for session in
            self.chosen(sample, |worker| worker.sessions.iter().map(|session| session.state).collect())
        {
            self.check_session(session).await?;
        }
        for family in self.chosen(sample, |worker| worker.families.iter().map(Family::state).collect()) {
            self.check_family(family, if sample.is_some() { NEWEST } else { usize::MAX }).await?;
        }
        // Codes last: a second use revokes what the first one bought.
        for code in self.chosen(sample, |worker| worker.codes.iter().map(|code| code.state).collect()) {
            self.check_code(code).await?;
        }
        Ok(())
    }

    /// Which to look at: those in doubt, the newest, and some of the others.
    fn chosen(&mut self, sample: Option<usize>, states: impl Fn(&Self) -> Vec<State>) -> BTreeSet<usize> {
        let states = states(self);
        let Some(sample) = sample else { return (0..states.len()).collect() };
        let newest = states.len().saturating_sub(sample);
        let in_doubt =
            states.iter().enumerate().filter(|(_, state)| **state == State::InDoubt).map(|(n, _)| n);
        let mut chosen: BTreeSet<usize> = in_doubt.chain(newest..states.len()).collect();
        if newest > 0 {
            chosen.extend((0..sample / 2).map(|_| self.random.below(newest)));
        }
        chosen
    }

    async fn check_session(&mut self, at: usize) -> Result<(), Stopped> {
        let url = self.client.authorize_url(&[("prompt", "none")]);
        let session = &mut self.sessions[at];
        let stop = session.visitor.clone().try_visit(&url, &[&self.client.redirect_uri]).await?.left();
        let is_live = stop.query_pairs().any(|(name, _)| name == "code");
        assert_eq!(
            !is_live,
            stop.query_pairs().any(|pair| pair == ("error".into(), "login_required".into())),
            "{stop}"
        );
        match session.state {
            State::Alive => assert!(is_live, "an acknowledged session is lost: {stop}"),
            State::Ended => assert!(!is_live, "an ended session came back: {stop}"),
            State::InDoubt if is_live => {
                // What went with it is alive too, unless it ended for another reason.
                session.state = State::Alive;
            }
            State::InDoubt => self.end_of(at, State::Ended),
        }
        Ok(())
    }

    async fn check_family(&mut self, at: usize, newest: usize) -> Result<(), Stopped> {
        let count = self.families[at].access.len();
        for n in 0..count {
            let (token, state) = self.families[at].access[n].clone();
            if n + newest.min(count) < count && state != State::InDoubt {
                continue;
            }
            let userinfo = self.client.userinfo(&token).await?;
            let is_alive = userinfo.status == 200;
            assert!(is_alive || userinfo.status == 401, "{userinfo:?}");
            assert_eq!(self.client.is_active(&token).await?, is_alive, "userinfo and introspection differ");
            match state {
                State::Alive => assert!(is_alive, "an acknowledged token is lost: {userinfo:?}"),
                State::Ended => assert!(!is_alive, "a revoked token came back"),
                State::InDoubt => {
                    self.families[at].access[n].1 = if is_alive { State::Alive } else { State::Ended }
                }
            }
        }
        let family = &mut self.families[at];
        let answer = self.client.refresh(&family.refresh.0).await?;
        match (answer.status, family.refresh.1) {
            (200, State::Alive | State::InDoubt) => family.renew(Tokens::of(answer)),
            (200, State::Ended) => panic!("a revoked or used refresh token works again"),
            (_, State::Alive) => panic!("an acknowledged refresh token is lost: {answer:?}"),
            (_, State::InDoubt | State::Ended) => {
                assert_eq!((answer.status, answer.json()["error"].as_str()), (400, Some("invalid_grant")));
                // It was used and its answer lost, or revoked. Reuse of the former just ended all of them (checklist RT1).
                let is_reuse = family.refresh.1 == State::InDoubt;
                family.refresh.1 = State::Ended;
                if is_reuse {
                    self.resolve_access(at).await?;
                }
            }
        }
        // One that was used before is refused, and takes all with it: tried on every third family, so that others live on.
        if self.random.below(3) == 0 && !self.families[at].used.is_empty() {
            let family = &mut self.families[at];
            let old = family.used[self.random.below(family.used.len())].clone();
            let answer = self.client.refresh(&old).await?;
            assert_eq!(
                (answer.status, answer.json()["error"].as_str()),
                (400, Some("invalid_grant")),
                "used twice"
            );
            family.all_but_ended(State::Ended);
        }
        Ok(())
    }

    /// Whether access tokens ended with the family is seen once, and stays.
    async fn resolve_access(&mut self, at: usize) -> Result<(), Stopped> {
        for (token, state) in &mut self.families[at].access {
            *state = if self.client.is_active(token).await? { State::Alive } else { State::Ended };
        }
        Ok(())
    }

    async fn check_code(&mut self, at: usize) -> Result<(), Stopped> {
        let Code { code, state, session } = &self.codes[at];
        let (state, session) = (*state, *session);
        // A used one is tried again now and then only: that revokes what it bought.
        if state == State::Ended && self.random.below(3) > 0 {
            return Ok(());
        }
        let answer = self.client.redeem(code).await?;
        match (answer.status, state) {
            (200, State::Ended) => panic!("a code works twice"),
            (200, _) => {
                assert_eq!(self.sessions[session].state, State::Alive, "a code outlived its session");
                self.codes[at].state = State::Ended;
                self.keep(at, Tokens::of(answer));
            }
            (_, State::Alive) => panic!("an acknowledged code is lost: {answer:?}"),
            (_, _) => {
                assert_eq!(
                    (answer.status, answer.json()["error"].as_str()),
                    (400, Some("invalid_grant")),
                    "{answer:?}"
                );
                self.codes[at].state = State::Ended;
                // RFC 6749 §4.1.2: what it bought is revoked.
                for family in self.families.iter_mut().filter(|family| family.code == at) {
                    family.all_but_ended(State::Ended);
                }
            }
        }
        Ok(())
    }
}

impl Family {
    /// In doubt when anything of it is.
    fn state(&self) -> State {
        let is_in_doubt = self.access.iter().any(|(_, state)| *state == State::InDoubt);
        if is_in_doubt { State::InDoubt } else { self.refresh.1 }
    }

    fn renew(&mut self, tokens: Tokens) {
        let next = tokens.refresh.expect("refresh tokens are rotated");
        let used = std::mem::replace(&mut self.refresh, (next, State::Alive)).0;
        self.used.push(used);
        self.access.push((tokens.access, State::Alive));
    }

    fn all_but_ended(&mut self, state: State) {
        let states = self.access.iter_mut().map(|(_, state)| state).chain([&mut self.refresh.1]);
        states.filter(|known| **known != State::Ended).for_each(|known| *known = state);
    }
}

fn of_state<T>(items: &[T], state: impl Fn(&T) -> State, wanted: State) -> Vec<usize> {
    items.iter().enumerate().filter(|(_, item)| state(item) == wanted).map(|(n, _)| n).collect()
}

#[track_caller]
fn code_of(stop: Stop) -> String {
    let url = stop.left();
    let code = url.query_pairs().find(|(name, _)| name == "code");
    code.unwrap_or_else(|| panic!("no code: {url}")).1.into_owned()
}
