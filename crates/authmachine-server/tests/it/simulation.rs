//! Random lives of people, sessions and tokens beside a plain model of what must live and what must be dead (checklist RB6, in
//! small): sign-ins, codes, refreshes, revocations, logouts, locks, withdrawn consents, jumps of the clock and failing calls of the
//! store. A failure names its seed and is the same again.

use authmachine_protocol::Timestamp;
use authmachine_provider::user::UserStatus;
use authmachine_testkit::{Browser, ClientApp, TestServer, TokenAnswer, both_engines};

const STEPS: usize = 120;
const SEEDS: u64 = 6;

/// Numbers that look random and are the same again (xorshift).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % below as u64).expect("below")
    }

    fn one_in(&mut self, n: usize) -> bool {
        self.roll(n) == 0
    }
}

struct Session {
    browser: Browser,
    began: Timestamp,
    epoch: i64,
    ended: bool,
    tokens_revoked: bool,
}

struct Grant {
    app: usize,
    session: usize,
    epoch: i64,
    consent_version: i64,
    revoked: bool,
}

struct Code {
    grant: usize,
    text: String,
    expires_at: Timestamp,
    used: bool,
}

struct Access {
    grant: usize,
    text: String,
    expires_at: Timestamp,
    revoked: bool,
}

/// A refresh token family: the last of `tokens` is the current one.
struct Family {
    grant: usize,
    tokens: Vec<String>,
    revoked: bool,
}

/// What the server should believe.
struct World {
    seed: u64,
    server: TestServer,
    dice: Dice,
    /// Ours; a guest; a guest whose tokens outlive the session.
    apps: [ClientApp; 3],
    consent_versions: [i64; 3],
    epoch: i64,
    locked: bool,
    sessions: Vec<Session>,
    grants: Vec<Grant>,
    codes: Vec<Code>,
    access: Vec<Access>,
    families: Vec<Family>,
}

const OURS: usize = 0;
const OFFLINE: usize = 2;

impl World {
    async fn begin(seed: u64) -> Self {
        let server = TestServer::start().await;
        let apps = [
            server.client("ours").first_party().create().await,
            server.client("guest").create().await,
            server.client("offline").scopes("openid offline_access").create().await,
        ];
        let epoch = server.user("alice").create().await.epoch;
        Self {
            seed,
            server,
            dice: Dice(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1),
            apps,
            consent_versions: [0; 3],
            epoch,
            locked: false,
            sessions: Vec::new(),
            grants: Vec::new(),
            codes: Vec::new(),
            access: Vec::new(),
            families: Vec::new(),
        }
    }

    fn now(&self) -> Timestamp {
        self.server.clock().now()
    }

    fn session_end(&self, session: usize) -> Timestamp {
        self.sessions[session].began.plus_seconds(12 * 3_600)
    }

    /// Whether the grant lives, whatever is used under it.
    fn is_live(&self, grant: usize) -> bool {
        let grant = &self.grants[grant];
        !grant.revoked
            && !self.locked
            && grant.epoch == self.epoch
            && (grant.app == OURS || grant.consent_version == self.consent_versions[grant.app])
            && !self.sessions[grant.session].tokens_revoked
    }

    /// Whether the session still carries codes and refresh tokens.
    fn carries(&self, grant: usize) -> bool {
        let session = self.grants[grant].session;
        !self.sessions[session].ended && self.now() < self.session_end(session)
    }

    /// Runs `act`, sometimes with a store that fails at some call.
    async fn with_luck<T>(&mut self, act: impl Future<Output = T>) -> T {
        if self.dice.one_in(4) {
            let call = u32::try_from(self.dice.roll(14) + 1).expect("small");
            self.server.store().faults().fail_call(call);
        }
        let result = act.await;
        self.server.store().faults().fail_call(0);
        result
    }

    async fn step(&mut self) {
        match self.dice.roll(24) {
            0..=2 => self.sign_in().await,
            3..=9 => self.authorize().await,
            10..=14 => self.redeem().await,
            15..=18 => self.refresh().await,
            19 => self.revoke().await,
            20 => self.log_out().await,
            21 if self.locked || self.dice.one_in(2) => self.interfere().await,
            _ => {
                let most = [20, 20, 20, 20, 20, 20, 60, 900, 900, 7 * 3_600][self.dice.roll(10)];
                self.server.clock().advance(i64::try_from(self.dice.roll(most)).expect("small"));
            }
        }
    }

    async fn sign_in(&mut self) {
        if self.locked {
            return;
        }
        let browser = self.server.browser().log_in("alice").await;
        let (began, epoch) = (self.now(), self.epoch);
        self.sessions.push(Session { browser, began, epoch, ended: false, tokens_revoked: false });
    }

    async fn authorize(&mut self) {
        if self.sessions.is_empty() {
            return;
        }
        let session = self.sessions.len() - 1 - self.dice.roll(self.sessions.len().min(3));
        let app = self.dice.roll(self.apps.len());
        let began = self.sessions[session].began;
        // When it was last seen is written to the minute and without waiting: the idle end is for another test.
        if self.now() >= began.plus_seconds(3_500) {
            return;
        }
        let browser = self.sessions[session].browser.clone();
        let request = self.apps[app].authorize();
        let request = if app == OFFLINE { request.with("prompt", "consent") } else { request };
        let visit = browser.authorize_with(&request.url()).await;
        let Session { epoch, ended, tokens_revoked, .. } = self.sessions[session];
        let may = !ended && !tokens_revoked && !self.locked && epoch == self.epoch;
        assert_eq!(visit.is_away(), may, "seed {}: sign-on", self.seed);
        if may {
            let (epoch, consent_version) = (self.epoch, self.consent_versions[app]);
            self.grants.push(Grant { app, session, epoch, consent_version, revoked: false });
            let (grant, expires_at) = (self.grants.len() - 1, self.now().plus_seconds(60));
            self.codes.push(Code { grant, text: visit.code(), expires_at, used: false });
        }
    }

    async fn redeem(&mut self) {
        if self.codes.is_empty() {
            return;
        }
        let unused = self.codes.iter().rposition(|code| !code.used);
        let n = unused.filter(|_| !self.dice.one_in(6)).unwrap_or(self.codes.len() - 1);
        let (grant, text) = (self.codes[n].grant, self.codes[n].text.clone());
        let app = self.apps[self.grants[grant].app].clone();
        let wrong = self.dice.one_in(10);
        let answer = match wrong {
            true => {
                let fields = [
                    ("grant_type", "authorization_code"),
                    ("code", &text),
                    ("redirect_uri", "https://other.example/"),
                ];
                self.with_luck(app.token(&fields)).await
            }
            false => self.with_luck(app.redeem(&text)).await,
        };
        if answer.status.as_u16() == 503 {
            return; // nothing happened
        }
        let code = &self.codes[n];
        let may = !wrong
            && !code.used
            && self.now() < code.expires_at
            && self.is_live(grant)
            && self.carries(grant);
        if self.codes[n].used {
            self.grants[grant].revoked = true;
        }
        self.codes[n].used = true;
        self.receive(answer, grant, None, may);
    }

    async fn refresh(&mut self) {
        if self.families.is_empty() {
            return;
        }
        let n = self.families.len() - 1 - self.dice.roll(self.families.len().min(4));
        let (grant, current) = (self.families[n].grant, self.families[n].tokens.len() - 1);
        let which = if self.dice.one_in(10) { self.dice.roll(current + 1) } else { current };
        let app = self.apps[self.grants[grant].app].clone();
        let token = self.families[n].tokens[which].clone();
        let answer = self.with_luck(app.refresh(&token)).await;
        if answer.status.as_u16() == 503 {
            return;
        }
        let outlives = self.grants[grant].app == OFFLINE;
        let may = which == current
            && !self.families[n].revoked
            && self.is_live(grant)
            && (outlives || self.carries(grant));
        if which != current {
            self.grants[grant].revoked = true;
            self.families[n].revoked = true;
        }
        self.receive(answer, grant, Some(n), may);
    }

    /// Compares an answer with what the model says, and keeps the tokens.
    fn receive(&mut self, answer: TokenAnswer, grant: usize, family: Option<usize>, may: bool) {
        let status = answer.status.as_u16();
        assert_eq!(status == 200, may, "seed {}: {status} {}", self.seed, answer.text());
        if !may {
            answer.assert_error(400, "invalid_grant");
            return;
        }
        let tokens = answer.ok();
        let app = self.grants[grant].app;
        let life_s = if app == OURS { 12 * 3_600 } else { 3_600 };
        let mut expires_at = self.now().plus_seconds(life_s);
        if app != OFFLINE {
            expires_at = expires_at.min(self.session_end(self.grants[grant].session));
        }
        assert_eq!(tokens.expires_in, expires_at.seconds_since(self.now()), "seed {}", self.seed);
        self.access.push(Access { grant, text: tokens.access_token.clone(), expires_at, revoked: false });
        let refresh_token = tokens.refresh_token().to_owned();
        match family {
            Some(n) => self.families[n].tokens.push(refresh_token),
            None => self.families.push(Family { grant, tokens: vec![refresh_token], revoked: false }),
        }
    }

    async fn revoke(&mut self) {
        let of_family = self.dice.one_in(2);
        if (of_family && self.families.is_empty()) || self.access.is_empty() {
            return;
        }
        let (n, grant, text) = if of_family {
            let n = self.dice.roll(self.families.len());
            let token = self.dice.roll(self.families[n].tokens.len());
            (n, self.families[n].grant, self.families[n].tokens[token].clone())
        } else {
            let n = self.dice.roll(self.access.len());
            (n, self.access[n].grant, self.access[n].text.clone())
        };
        let app = self.apps[self.grants[grant].app].clone();
        let answer = self.with_luck(app.revoke(&text)).await;
        if answer.status.as_u16() == 503 {
            return;
        }
        answer.assert_status(200);
        if of_family {
            self.families[n].revoked = true;
            self.grants[grant].revoked = true;
        } else {
            self.access[n].revoked = true;
        }
    }

    async fn log_out(&mut self) {
        if self.sessions.is_empty() {
            return;
        }
        let n = self.sessions.len() - 1 - self.dice.roll(self.sessions.len().min(3));
        let revoke_tokens = self.dice.one_in(2);
        let browser = self.sessions[n].browser.clone();
        if browser.cookie("session").is_none() {
            return; // it is signed out already
        }
        let page =
            browser.follow(if revoke_tokens { "/oidc/logout?revoke_tokens=1" } else { "/oidc/logout" }).await;
        if !page.asks_for("decision", "yes") {
            return; // the session is over, and without a client's address nothing is ended
        }
        let visit = self.with_luck(page.submit(&[("decision", "yes")])).await;
        if visit.trail[0].status.as_u16() == 303 {
            self.sessions[n].ended = true;
            self.sessions[n].tokens_revoked |= revoke_tokens;
        } else {
            visit.trail[0].assert_status(503);
        }
    }

    /// An operator locks or unlocks the user, or the user takes back what they allowed.
    async fn interfere(&mut self) {
        let user = self.server.find_user("alice").await.expect("made");
        let (id, now) = (user.id, self.now());
        if self.locked || self.dice.one_in(3) {
            let status = if self.locked { UserStatus::Active } else { UserStatus::Locked };
            self.server.write(move |tx| tx.set_user_status(id, status, now)).await;
            self.locked = !self.locked;
            self.epoch = self.server.find_user("alice").await.expect("made").epoch;
        } else {
            let app = 1 + self.dice.roll(2);
            let client = self.apps[app].record.id;
            let withdrawn = self.server.write(move |tx| tx.withdraw_consent(id, client, now)).await;
            self.consent_versions[app] += i64::from(withdrawn);
        }
    }

    /// Asks about every token.
    async fn compare(&self) {
        for access in &self.access {
            let lives = !access.revoked && self.now() < access.expires_at && self.is_live(access.grant);
            let app = &self.apps[self.grants[access.grant].app];
            assert_eq!(!app.is_revoked(&access.text).await, lives, "seed {}: an access token", self.seed);
        }
        for family in &self.families {
            let app = self.grants[family.grant].app;
            let carried = app == OFFLINE || self.carries(family.grant);
            let lives = !family.revoked && self.is_live(family.grant) && carried;
            let current = family.tokens.last().expect("not empty");
            assert_eq!(self.apps[app].is_active(current).await, lives, "seed {}: a refresh token", self.seed);
        }
    }
}

#[both_engines]
async fn rb6_random_lives_agree_with_a_plain_model() {
    let mut issued = 0;
    for seed in 1..=SEEDS {
        let mut world = World::begin(seed).await;
        for step in 0..STEPS {
            world.step().await;
            if step % 10 == 9 {
                world.compare().await;
            }
        }
        issued += world.access.len();
    }
    assert!(issued > 60, "there was something to compare: {issued}");
}
