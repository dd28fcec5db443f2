//! Logins, redemptions, refreshes and revocations, and what is known of them: the load under every fault, and the oracle after
//! it. What was acknowledged stays so, and nothing is usable twice (checklist G1, G3).
//!
//! Each worker is one person with one client, and keeps a book: what it was told, and what it asked without an answer. What is
//! in doubt may have happened or not; once seen, it stays.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::time::{Duration, Instant};

use authmachine_e2e::http::{Answer, Lost};
use authmachine_e2e::{Client, Provider, Random, Stop, Tokens, Visitor, wait};
use tokio::sync::Notify;
use url::Url;

/// Earlier facts that a worker looks at again after each fault; at the end all of them.
const SAMPLE: usize = 6;
/// Access tokens of a family that it looks at then, the newest.
const NEWEST: usize = 3;
/// A code is good for ten minutes, as the providers here are set up. In the last one nobody knows.
const CODE_LIFE: Duration = Duration::from_secs(9 * 60);
/// After a refusal or a loss a worker waits so long, so that it does not doubt everything soon.
const PAUSE: Duration = Duration::from_millis(20);

/// What is known about something that ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// It works.
    Alive,
    /// Its end was asked for, and no answer came, or none that says what happened.
    InDoubt,
    /// It is over.
    Ended,
}

#[derive(Clone)]
struct Code {
    code: String,
    made: Instant,
    state: State,
    session: usize,
}

/// What one code bought.
#[derive(Clone)]
struct Family {
    session: usize,
    code: usize,
    access: Vec<(String, State)>,
    /// The newest refresh token that is known. In doubt: it was used, and the answer is lost.
    refresh: (String, State),
    /// Refresh tokens that were used with an answer.
    used: Vec<String>,
}

#[derive(Clone)]
struct Session {
    visitor: Visitor,
    state: State,
}

/// What one worker knows.
#[derive(Clone, Default)]
struct Book {
    sessions: Vec<Session>,
    codes: Vec<Code>,
    families: Vec<Family>,
}

/// One person with one client.
#[derive(Clone)]
struct Worker {
    name: String,
    password: &'static str,
    client: Client,
    provider: String,
    logout_uri: String,
    random: Random,
    book: Book,
    /// The file that grows with what the server writes, and the book as it was at each of its lengths.
    history: Option<(PathBuf, Vec<(u64, Book)>)>,
}

/// Why nothing came of a step.
#[derive(Debug)]
enum Stopped {
    /// No answer.
    Lost,
    /// Not now: 503 or 429.
    Refused,
}

impl From<Lost> for Stopped {
    fn from(_: Lost) -> Self {
        Self::Lost
    }
}

/// What the workers have come to, and when they stop.
#[derive(Default)]
pub(crate) struct Load {
    /// Steps that were acknowledged.
    acknowledged: AtomicUsize,
    /// Steps that were refused for now.
    refused: AtomicUsize,
    /// Steps without an answer.
    lost: AtomicUsize,
    stops: AtomicBool,
    changed: Notify,
}

impl Load {
    fn count(&self, counter: &AtomicUsize) {
        counter.fetch_add(1, SeqCst);
        self.changed.notify_waiters();
    }

    /// How many steps were acknowledged so far.
    pub(crate) fn acknowledged(&self) -> usize {
        self.acknowledged.load(SeqCst)
    }

    /// Waits until `n` more steps are acknowledged.
    pub(crate) async fn acknowledges(&self, n: usize) {
        self.reaches(&self.acknowledged, n, "acknowledgements").await;
    }

    /// Waits until `n` more steps are refused for now.
    pub(crate) async fn refuses(&self, n: usize) {
        self.reaches(&self.refused, n, "refusals").await;
    }

    async fn reaches(&self, counter: &AtomicUsize, n: usize, what: &str) {
        let enough = counter.load(SeqCst) + n;
        let reached = async {
            loop {
                let changed = self.changed.notified();
                if counter.load(SeqCst) >= enough {
                    break;
                }
                changed.await;
            }
        };
        let in_time = tokio::time::timeout(wait::PATIENCE, reached).await;
        assert!(in_time.is_ok(), "waited {} s in vain for {n} {what}", wait::PATIENCE.as_secs());
    }
}

/// All workers, with their books.
pub(crate) struct Ledger {
    workers: Vec<Worker>,
    load: Arc<Load>,
}

impl Ledger {
    /// So many people, each with a client of their own, who have signed in.
    pub(crate) async fn open(provider: &Provider, workers: usize, random: &mut Random) -> Self {
        let mut ledger = Self { workers: Vec::new(), load: Arc::default() };
        for n in 0..workers {
            ledger.workers.push(Worker::new(provider, n, random.number()).await);
        }
        ledger
    }

    /// How many steps were acknowledged so far.
    pub(crate) fn acknowledged(&self) -> usize {
        self.load.acknowledged()
    }

    /// The workers work while `fault` runs. A worker that loses an answer has done enough when `is_fatal`; else it goes on.
    pub(crate) async fn under_load<T>(&mut self, is_fatal: bool, fault: impl AsyncFnOnce(&Load) -> T) -> T {
        self.load.stops.store(false, SeqCst);
        let running: Vec<_> = self
            .workers
            .drain(..)
            .map(|mut worker| {
                let load = Arc::clone(&self.load);
                tokio::spawn(async move {
                    worker.work(&load, is_fatal).await;
                    worker
                })
            })
            .collect();
        let result = fault(&self.load).await;
        self.load.stops.store(true, SeqCst);
        for worker in running {
            self.workers.push(worker.await.expect("a worker found everything in order"));
        }
        result
    }

    /// The same people, who know nothing yet and sign in anew.
    pub(crate) async fn anew(&mut self) -> Self {
        let mut ledger = Self { workers: self.workers.clone(), load: Arc::default() };
        for worker in &mut ledger.workers {
            worker.book = Book::default();
            let Ok(true) = worker.sign_in().await else { panic!("{} cannot sign in", worker.name) };
        }
        ledger
    }

    /// Asks about everything, and takes any answer for an answer.
    pub(crate) async fn ask(&self) {
        for worker in &self.workers {
            let (mut visitor, client) = (Visitor::new(), &worker.client);
            let url = client.authorize_url(&[]);
            let answered =
                visitor.try_sign_in(&url, &worker.name, worker.password, &[&client.redirect_uri]).await;
            answered.expect("an answer");
            for family in worker.book.families.iter().rev().take(NEWEST) {
                for (token, _) in &family.access {
                    client.userinfo(token).await.expect("an answer");
                }
                client.refresh(&family.refresh.0).await.expect("an answer");
            }
        }
    }

    /// Holds the server to refuse everything that the books call alive: it is not its time. Codes are not tried, which uses them.
    pub(crate) async fn is_refused(&self) {
        for worker in &self.workers {
            let refused = worker.is_refused().await;
            refused.unwrap_or_else(|stopped| panic!("no normal service: {stopped:?}"));
        }
    }

    /// Tries until a whole sign-on works, a code by a live session and what it buys: how long after `since` that was.
    pub(crate) async fn is_normal(&mut self, since: Instant) -> Duration {
        let worker = &mut self.workers[0];
        while worker.sign_on().await.is_err() {
            assert!(since.elapsed() < wait::PATIENCE, "no normal service");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        since.elapsed()
    }

    /// Remembers the books as they are at each length of `file`, which grows with what the server writes.
    pub(crate) fn follow(&mut self, file: &Path) {
        for worker in &mut self.workers {
            worker.history = Some((file.to_owned(), vec![(0, worker.book.clone())]));
        }
    }

    /// The books as they were when that file was so long.
    pub(crate) fn as_of(&self, length: u64) -> Self {
        let then = |worker: &Worker| {
            let (_, history) = worker.history.as_ref().expect("the file is followed");
            let (_, book) = history.iter().rfind(|(at, _)| *at <= length).expect("the first is at 0");
            Worker { book: book.clone(), history: None, ..worker.clone() }
        };
        Self { workers: self.workers.iter().map(then).collect(), load: Arc::default() }
    }

    /// Holds the server to the books: to all that is in doubt, all that is new, and a sample of the rest.
    pub(crate) async fn check(&mut self) {
        self.each(Some(SAMPLE)).await;
    }

    /// Holds the server to everything.
    pub(crate) async fn check_all(&mut self) {
        self.each(None).await;
    }

    /// Every worker checks its book, all at once.
    async fn each(&mut self, sample: Option<usize>) {
        let checking: Vec<_> = self
            .workers
            .drain(..)
            .map(|mut worker| {
                tokio::spawn(async move {
                    let checked = worker.check(sample).await;
                    checked.unwrap_or_else(|stopped| panic!("no normal service: {stopped:?}"));
                    worker
                })
            })
            .collect();
        for worker in checking {
            self.workers.push(worker.await.expect("every book holds"));
        }
    }
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
            book: Book::default(),
            logout_uri,
            name,
            history: None,
        };
        let Ok(true) = worker.sign_in().await else { panic!("{} cannot sign in", worker.name) };
        worker
    }

    /// Goes on until it is told to stop, or the server is gone.
    async fn work(&mut self, load: &Load, loss_is_fatal: bool) {
        while !load.stops.load(SeqCst) {
            match self.step().await {
                Ok(true) => load.count(&load.acknowledged),
                Ok(false) => {}
                Err(Stopped::Refused) => {
                    load.count(&load.refused);
                    tokio::time::sleep(PAUSE).await;
                }
                Err(Stopped::Lost) => {
                    load.count(&load.lost);
                    if loss_is_fatal {
                        break;
                    }
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }

    /// Does one thing; whether there was something to do.
    async fn step(&mut self) -> Result<bool, Stopped> {
        let book = &self.book;
        let live: Vec<usize> = of_state(&book.sessions, |session| session.state, State::Alive);
        let session = *self.random.pick(&live).expect("the first one is never ended");
        let fresh = of_state(&book.codes, Code::now, State::Alive);
        let families: Vec<usize> = of_state(&book.families, |family| family.refresh.1, State::Alive);
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

    /// The book is as it is from now on: called before what ends something is sent, and after each answer.
    fn turn_page(&mut self) {
        if let Some((file, history)) = &mut self.history {
            let length = std::fs::metadata(file).expect("it grows").len();
            history.push((length, self.book.clone()));
        }
    }

    /// Signs in with the password, in a new browser.
    async fn sign_in(&mut self) -> Result<bool, Stopped> {
        let mut visitor = Visitor::new();
        let stop = match self.client.authorize(&mut visitor, &self.name, self.password, &[]).await? {
            // Tries that were cut short count as well (checklist BF3): after a few of them in a row the next one has to wait.
            Stop::Page(page) if page.status == 429 => return Ok(false),
            stop => left(stop)?,
        };
        let session = self.book.sessions.len();
        // Told: the code came back.
        self.book.sessions.push(Session { visitor, state: State::Alive });
        self.book.codes.push(Code {
            code: code_of(&stop),
            made: Instant::now(),
            state: State::Alive,
            session,
        });
        self.turn_page();
        Ok(true)
    }

    /// Gets a code by the session alone.
    async fn authorize(&mut self, session: usize) -> Result<bool, Stopped> {
        let url = self.client.authorize_url(&[("prompt", "none")]);
        let visitor = &mut self.book.sessions[session].visitor;
        let stop = left(visitor.try_visit(&url, &[&self.client.redirect_uri]).await?)?;
        self.book.codes.push(Code {
            code: code_of(&stop),
            made: Instant::now(),
            state: State::Alive,
            session,
        });
        self.turn_page();
        Ok(true)
    }

    async fn redeem(&mut self, code: usize) -> Result<bool, Stopped> {
        self.book.codes[code].state = State::InDoubt;
        self.turn_page();
        let answer = told(self.client.redeem(&self.book.codes[code].code).await?)?;
        self.book.codes[code].state = State::Ended;
        self.book.keep(code, Tokens::of(answer));
        self.turn_page();
        Ok(true)
    }

    /// A code by the first session, redeemed.
    async fn sign_on(&mut self) -> Result<bool, Stopped> {
        self.authorize(0).await?;
        self.redeem(self.book.codes.len() - 1).await
    }

    async fn refresh(&mut self, family: usize) -> Result<bool, Stopped> {
        self.book.families[family].refresh.1 = State::InDoubt;
        self.turn_page();
        let answer = told(self.client.refresh(&self.book.families[family].refresh.0).await?)?;
        self.book.families[family].renew(Tokens::of(answer));
        self.turn_page();
        Ok(true)
    }

    async fn revoke_access(&mut self, family: usize) -> Result<bool, Stopped> {
        let access = &self.book.families[family].access;
        let Some(at) = access.iter().position(|(_, state)| *state == State::Alive) else { return Ok(false) };
        self.book.families[family].access[at].1 = State::InDoubt;
        self.turn_page();
        let access = &mut self.book.families[family].access[at];
        told(self.client.revoke(&access.0).await?)?.expect(200);
        access.1 = State::Ended;
        self.turn_page();
        Ok(true)
    }

    /// RFC 7009 §2.1: with a refresh token go the access tokens of its grant.
    async fn revoke_refresh(&mut self, family: usize) -> Result<bool, Stopped> {
        self.book.families[family].all_but_ended(State::InDoubt);
        self.turn_page();
        let family = &mut self.book.families[family];
        told(self.client.revoke(&family.refresh.0).await?)?.expect(200);
        family.all_but_ended(State::Ended);
        self.turn_page();
        Ok(true)
    }

    /// Ends a session with all that it issued, for every client.
    async fn log_out(&mut self, session: usize) -> Result<bool, Stopped> {
        self.book.end_of(session, State::InDoubt);
        self.turn_page();
        let mut url = Url::parse(&format!("{}/oidc/logout", self.provider)).expect("the issuer is a URL");
        url.query_pairs_mut()
            .extend_pairs([("post_logout_redirect_uri", &*self.logout_uri), ("revoke_tokens", "1")]);
        let visitor = &mut self.book.sessions[session].visitor;
        left(visitor.try_visit(url.as_str(), &[&self.logout_uri]).await?)?;
        self.book.end_of(session, State::Ended);
        self.turn_page();
        Ok(true)
    }

    /// Holds the server to the book: to all that is in doubt, all that is new, and a sample of the rest; or to everything.
    async fn check(&mut self, sample: Option<usize>) -> Result<(), Stopped> {
        for session in self.chosen(sample, |book| of_each(&book.sessions, |session| session.state)) {
            self.check_session(session).await?;
        }
        for family in self.chosen(sample, |book| of_each(&book.families, Family::state)) {
            self.check_family(family, if sample.is_some() { NEWEST } else { usize::MAX }).await?;
        }
        // Codes last: a second use revokes what the first one bought.
        for code in self.chosen(sample, |book| of_each(&book.codes, Code::now)) {
            self.check_code(code).await?;
        }
        Ok(())
    }

    async fn is_refused(&self) -> Result<(), Stopped> {
        let url = self.client.authorize_url(&[("prompt", "none")]);
        for session in self.book.sessions.iter().filter(|session| session.state == State::Alive) {
            let left = left(session.visitor.clone().try_visit(&url, &[&self.client.redirect_uri]).await?)?;
            assert!(left.as_str().contains("error=login_required"), "a session out of its time: {left}");
        }
        for family in &self.book.families {
            if let Some((token, _)) = family.access.iter().rfind(|(_, state)| *state == State::Alive) {
                let userinfo = told(self.client.userinfo(token).await?)?;
                assert_eq!(userinfo.status, 401, "an access token out of its time: {userinfo:?}");
            }
            if family.refresh.1 == State::Alive {
                let answer = told(self.client.refresh(&family.refresh.0).await?)?;
                assert_eq!(answer.status, 400, "a refresh token out of its time: {answer:?}");
            }
        }
        Ok(())
    }

    /// Which to look at: those in doubt, the newest, and some of the others.
    fn chosen(&mut self, sample: Option<usize>, states: impl Fn(&Book) -> Vec<State>) -> BTreeSet<usize> {
        let states = states(&self.book);
        let Some(sample) = sample else { return (0..states.len()).collect() };
        let newest = states.len().saturating_sub(sample);
        let in_doubt = (0..states.len()).filter(|n| states[*n] == State::InDoubt);
        let mut chosen: BTreeSet<usize> = in_doubt.chain(newest..states.len()).collect();
        if newest > 0 {
            chosen.extend((0..sample / 2).map(|_| self.random.below(newest)));
        }
        chosen
    }

    async fn check_session(&mut self, at: usize) -> Result<(), Stopped> {
        let url = self.client.authorize_url(&[("prompt", "none")]);
        let session = &mut self.book.sessions[at];
        let stop = left(session.visitor.clone().try_visit(&url, &[&self.client.redirect_uri]).await?)?;
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
            State::InDoubt => self.book.end_of(at, State::Ended),
        }
        Ok(())
    }

    async fn check_family(&mut self, at: usize, newest: usize) -> Result<(), Stopped> {
        let count = self.book.families[at].access.len();
        for n in 0..count {
            let (token, state) = self.book.families[at].access[n].clone();
            if n + newest.min(count) < count && state != State::InDoubt {
                continue;
            }
            let userinfo = told(self.client.userinfo(&token).await?)?;
            let is_alive = userinfo.status == 200;
            assert!(is_alive || userinfo.status == 401, "{userinfo:?}");
            assert_eq!(self.client.is_active(&token).await?, is_alive, "userinfo and introspection differ");
            match state {
                State::Alive => assert!(is_alive, "an acknowledged token is lost: {userinfo:?}"),
                State::Ended => assert!(!is_alive, "a revoked token came back"),
                State::InDoubt => {
                    self.book.families[at].access[n].1 = if is_alive { State::Alive } else { State::Ended }
                }
            }
        }
        let family = &mut self.book.families[at];
        let answer = told(self.client.refresh(&family.refresh.0).await?)?;
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
        if self.random.below(3) == 0 && !self.book.families[at].used.is_empty() {
            let family = &mut self.book.families[at];
            let old = family.used[self.random.below(family.used.len())].clone();
            let answer = told(self.client.refresh(&old).await?)?;
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
        for (token, state) in &mut self.book.families[at].access {
            *state = if self.client.is_active(token).await? { State::Alive } else { State::Ended };
        }
        Ok(())
    }

    async fn check_code(&mut self, at: usize) -> Result<(), Stopped> {
        let Code { code, session, .. } = &self.book.codes[at];
        let (state, session) = (self.book.codes[at].now(), *session);
        // An old one that was used may be forgotten, and revokes nothing then.
        if state == State::Ended && self.book.codes[at].made.elapsed() > CODE_LIFE {
            return Ok(());
        }
        // A used one is tried again now and then only: that revokes what it bought.
        if state == State::Ended && self.random.below(3) > 0 {
            return Ok(());
        }
        let answer = told(self.client.redeem(code).await?)?;
        match (answer.status, state) {
            (200, State::Ended) => panic!("a code works twice"),
            (200, _) => {
                assert_eq!(self.book.sessions[session].state, State::Alive, "a code outlived its session");
                self.book.codes[at].state = State::Ended;
                self.book.keep(at, Tokens::of(answer));
            }
            (_, State::Alive) => panic!("an acknowledged code is lost: {answer:?}"),
            (_, _) => {
                assert_eq!(
                    (answer.status, answer.json()["error"].as_str()),
                    (400, Some("invalid_grant")),
                    "{answer:?}"
                );
                self.book.codes[at].state = State::Ended;
                // RFC 6749 §4.1.2: what it bought is revoked.
                for family in self.book.families.iter_mut().filter(|family| family.code == at) {
                    family.all_but_ended(State::Ended);
                }
            }
        }
        Ok(())
    }
}

impl Book {
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

    fn end_of(&mut self, session: usize, state: State) {
        self.sessions[session].state = state;
        for family in self.families.iter_mut().filter(|family| family.session == session) {
            family.all_but_ended(state);
        }
        let codes = self.codes.iter_mut().filter(|code| code.session == session);
        codes.filter(|code| code.state != State::Ended).for_each(|code| code.state = state);
    }
}

impl Code {
    /// In doubt when it is old.
    fn now(&self) -> State {
        let is_old = self.state == State::Alive && self.made.elapsed() > CODE_LIFE;
        if is_old { State::InDoubt } else { self.state }
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

fn of_each<T>(items: &[T], state: impl Fn(&T) -> State) -> Vec<State> {
    items.iter().map(state).collect()
}

fn of_state<T>(items: &[T], state: impl Fn(&T) -> State, wanted: State) -> Vec<usize> {
    items.iter().enumerate().filter(|(_, item)| state(item) == wanted).map(|(n, _)| n).collect()
}

/// An answer that says what happened.
fn told(answer: Answer) -> Result<Answer, Stopped> {
    if matches!(answer.status, 429 | 503) { Err(Stopped::Refused) } else { Ok(answer) }
}

fn left(stop: Stop) -> Result<Url, Stopped> {
    match stop {
        Stop::Page(page) if page.status == 503 => Err(Stopped::Refused),
        stop => Ok(stop.left()),
    }
}

#[track_caller]
fn code_of(url: &Url) -> String {
    let code = url.query_pairs().find(|(name, _)| name == "code");
    code.unwrap_or_else(|| panic!("no code: {url}")).1.into_owned()
}
