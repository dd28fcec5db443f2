//! What a load draws from: tokens, sessions and codes of one provider, got over the wire or put into its database.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::{Context, Result, bail, ensure};
use authmachine_jose::Algorithm;
use authmachine_provider::handle::Presented;
use authmachine_provider::ids::Kind;

use crate::http::Connection;
use crate::random::Random;
use crate::rows::Loaded;
use crate::target::{Client, Login, Target, form};
use crate::visit::{Cookies, Visit, parameter};

/// ID tokens and used codes that are looked at again, of each client.
const SAMPLES: usize = 100;
/// Browsers that are signed in: one alone would have every code on one row.
const BROWSERS: usize = 32;
/// Sessions to be ended, at the least.
const SESSIONS: usize = 100;

/// Everything there is to draw from.
#[derive(Clone)]
pub(crate) struct Supplies {
    pub(crate) access_tokens: Arc<[String]>,
    /// Whose userinfo has 20 permissions.
    pub(crate) permission_tokens: Arc<[String]>,
    pub(crate) refresh_tokens: Pool<String>,
    /// Of browsers that are signed in.
    pub(crate) browsers: Vec<Cookies>,
    /// Of browsers that are there to be signed out.
    pub(crate) sessions: Pool<Session>,
    /// Fresh codes, by the client's place in the list.
    pub(crate) codes: Vec<Pool<String>>,
    pub(crate) seen: Seen,
    pub(crate) samples: Samples,
}

/// A browser's session.
#[derive(Clone)]
pub(crate) struct Session {
    pub(crate) cookies: Cookies,
    pub(crate) id_token: Option<String>,
}

/// Things that are used up, or put back as others.
pub(crate) struct Pool<T>(Arc<Mutex<Vec<T>>>);

impl<T> Clone for Pool<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T> Default for Pool<T> {
    fn default() -> Self {
        Self::new(Vec::new())
    }
}

impl<T> Pool<T> {
    pub(crate) fn new(things: Vec<T>) -> Self {
        Self(Arc::new(Mutex::new(things)))
    }

    pub(crate) fn push(&self, thing: T) {
        self.lock().push(thing);
    }

    /// The youngest.
    pub(crate) fn pop(&self) -> Option<T> {
        self.lock().pop()
    }

    /// Any of them.
    pub(crate) fn take_any(&self, random: &mut Random) -> Option<T> {
        let mut things = self.lock();
        let at = random.below(things.len().max(1));
        (at < things.len()).then(|| things.swap_remove(at))
    }

    pub(crate) fn len(&self) -> usize {
        self.lock().len()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<T>> {
        lock(&self.0)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Every code that came, so that none comes twice.
#[derive(Clone, Default)]
pub(crate) struct Seen(Arc<Mutex<HashSet<u64>>>);

impl Seen {
    pub(crate) fn first_time(&self, code: &str) -> Result<()> {
        let mut hasher = DefaultHasher::new();
        code.hash(&mut hasher);
        ensure!(lock(&self.0).insert(hasher.finish()), "the same code came twice");
        Ok(())
    }
}

/// Some of the ID tokens that came and of the codes that were used, by the client's place in the list.
#[derive(Clone, Default)]
pub(crate) struct Samples {
    id_tokens: Pool<(usize, String)>,
    used_codes: Pool<(usize, String)>,
}

/// How many answers were looked at again, all of them right.
#[derive(Clone, Copy, Default, serde::Serialize)]
pub(crate) struct Checked {
    /// Of ID tokens, valid.
    pub(crate) signatures: usize,
    /// Codes that came back and got nothing.
    pub(crate) refused_codes: usize,
}

impl Samples {
    pub(crate) fn id_token(&self, client: usize, token: &str) {
        if self.id_tokens.len() < SAMPLES {
            self.id_tokens.push((client, token.to_owned()));
        }
    }

    pub(crate) fn used_code(&self, client: usize, code: &str) {
        if self.used_codes.len() < SAMPLES {
            self.used_codes.push((client, code.to_owned()));
        }
    }

    /// Verifies the ID tokens, and sees that no code works twice. Last of all, because a code that comes back takes along what it
    /// gave.
    pub(crate) async fn check(&self, target: &Target, connection: &mut Connection) -> Result<Checked> {
        let mut checked = Checked::default();
        while let Some((client, token)) = self.id_tokens.pop() {
            let client = &target.access.clients[client];
            let allowed: Algorithm = client.algorithm.parse().context("an unknown algorithm")?;
            let token = authmachine_jose::verify(&token, &target.keys, &[allowed])
                .with_context(|| format!("{}: an ID token without a valid signature", target.name))?;
            let audience = authmachine_jose::claims::audience(&token.payload)?.unwrap_or_default();
            ensure!(audience.contains(&client.id.as_str()), "{}: an ID token for {audience:?}", target.name);
            checked.signatures += 1;
        }
        while let Some((client, code)) = self.used_codes.pop() {
            let client = &target.access.clients[client];
            let answer = connection.send(&target.token(client, &client.redemption(&code))).await?;
            ensure!(
                answer.status == 400 && answer.contains("invalid_grant"),
                "{}: a used code was answered with {}: {}",
                target.name,
                answer.status,
                answer.text()
            );
            checked.refused_codes += 1;
        }
        Ok(checked)
    }
}

/// How many of what, over the wire.
pub(crate) struct Amounts {
    pub(crate) tokens: usize,
    pub(crate) permission_tokens: usize,
}

/// Where rows take the place of what came over the wire.
pub(crate) const FEW: Amounts = Amounts { tokens: 1, permission_tokens: 1 };

/// Signs in and gets what is needed as a client does, one request after the other.
pub(crate) async fn by_wire(target: &Arc<Target>, amounts: &Amounts) -> Result<Supplies> {
    let mut connection = Connection::open(target.address).await?;
    let client = target.client()?;
    let mut browsers = Vec::new();
    for _ in 0..BROWSERS {
        let mut cookies = Cookies::default();
        // Whoever asks the person for each client has asked by then.
        for client in &target.access.clients {
            cookies = sign_in(target, client, cookies, &mut connection).await?.cookies;
        }
        browsers.push(cookies);
    }
    let cookie = browsers[0].header();
    let (mut access_tokens, mut permission_tokens, mut refresh_tokens) = (Vec::new(), Vec::new(), Vec::new());
    let claims = target.access.extras.permission_claims.as_deref();
    for n in 0..amounts.tokens + claims.map_or(0, |_| amounts.permission_tokens) {
        let claims = claims.filter(|_| n >= amounts.tokens);
        let path = target.authorization_request(client, claims);
        let answer = connection.send(&target.get(&path, &[("Cookie", &cookie)])).await?;
        let code = answer.header("location").and_then(|location| parameter(location, "code"));
        let code = code.with_context(|| format!("no code: {} {}", answer.status, answer.text()))?;
        let answer = connection.send(&target.token(client, &client.redemption(&code))).await?;
        let token = answer.member("access_token")?;
        match claims {
            Some(_) => permission_tokens.push(token),
            None => access_tokens.push(token),
        }
        refresh_tokens.extend(answer.member("refresh_token").ok().filter(|_| claims.is_none()));
    }
    let supplies = Supplies {
        access_tokens: access_tokens.into(),
        permission_tokens: permission_tokens.into(),
        refresh_tokens: Pool::new(refresh_tokens),
        browsers,
        sessions: Pool::default(),
        codes: target.access.clients.iter().map(|_| Pool::default()).collect(),
        seen: Seen::default(),
        samples: Samples::default(),
    };
    more_sessions(target, &supplies).await?;
    Ok(supplies)
}

impl Supplies {
    /// Draws from the rows of `loaded` instead of what came over the wire.
    pub(crate) fn draw_from(&mut self, loaded: &Loaded) {
        self.access_tokens = loaded.access_tokens.clone().into();
        self.permission_tokens = loaded.permission_tokens.clone().into();
        self.refresh_tokens = Pool::new(loaded.refresh_tokens.clone());
        let is_session = |value: &str| Presented::parse(Kind::Session, value).is_some();
        let sessions = loaded.sessions.iter().map(|handle| {
            let mut cookies = self.browsers[0].clone();
            cookies.replace(is_session, handle);
            Session { cookies, id_token: None }
        });
        self.sessions = Pool::new(sessions.collect());
    }
}

/// Sees to it that there are sessions to be ended. One that somebody brought is not ours to end.
pub(crate) async fn more_sessions(target: &Arc<Target>, supplies: &Supplies) -> Result<()> {
    if matches!(target.access.login, Login::Cookie(_)) {
        return Ok(());
    }
    let mut connection = Connection::open(target.address).await?;
    let client = target.client()?;
    while supplies.sessions.len() < SESSIONS {
        supplies.sessions.push(sign_in(target, client, Cookies::default(), &mut connection).await?);
    }
    Ok(())
}

/// A browser that goes to `client` and signs in on the way, where it has to.
pub(crate) fn visit(target: &Arc<Target>, client: &Client, cookies: Cookies) -> Result<Visit> {
    let path = target.authorization_request(client, None);
    let (typed, cookies) = match &target.access.login {
        Login::Form(typed) => (typed.as_slice(), cookies),
        Login::Cookie(header) => (&[][..], Cookies::from_header(header)),
    };
    Visit::begin(target, &path, &client.redirect_uri, typed, cookies)
}

/// Signs a browser in, and has the client redeem the code.
async fn sign_in(
    target: &Arc<Target>,
    client: &Client,
    cookies: Cookies,
    connection: &mut Connection,
) -> Result<Session> {
    let mut visit = visit(target, client, cookies)?;
    let end = visit.finish(connection).await.context("the sign-in fails")?;
    let Some(code) = parameter(&end, "code") else { bail!("the sign-in ends at {end}") };
    let answer = connection.send(&target.token(client, &client.redemption(&code))).await?;
    let id_token = answer.member("id_token")?;
    Ok(Session { cookies: visit.cookies, id_token: Some(id_token) })
}

/// What the client says when it signs `session` out.
pub(crate) fn logout_form(client: &Client, session: &Session) -> String {
    let mut pairs = vec![
        ("client_id", client.id.as_str()),
        ("post_logout_redirect_uri", client.post_logout_redirect_uri.as_str()),
    ];
    pairs.extend(session.id_token.as_deref().map(|token| ("id_token_hint", token)));
    form(&pairs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_that_comes_twice_is_noticed() {
        let seen = Seen::default();
        assert!(seen.first_time("a").is_ok());
        assert!(seen.first_time("b").is_ok());
        assert!(seen.first_time("a").is_err());
    }

    #[test]
    fn a_pool_gives_each_thing_once() {
        let pool = Pool::new((0..10).collect());
        let mut random = Random::new();
        let mut taken: Vec<i32> = std::iter::from_fn(|| pool.take_any(&mut random)).collect();
        taken.sort_unstable();
        assert_eq!(taken, (0..10).collect::<Vec<_>>());
        assert_eq!(pool.pop(), None);
    }
}
