//! What is asked of the server, one request over and over in each scenario.

use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Result, bail};

use crate::flow;
use crate::http::{Answer, Connection, request};
use crate::load::Lane;

/// How many access tokens userinfo, introspection and the token check draw from.
const TOKENS: usize = 512;

/// A kind of request.
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    /// Whether the answer waits for the disk.
    pub(crate) is_durable: bool,
    pub(crate) lanes: Vec<Box<dyn Lane>>,
}

/// All of them, for so many connections; the first is the floor that the others are compared with.
pub(crate) async fn prepare(connection: &mut Connection, connections: usize) -> Result<Vec<Scenario>> {
    let cookie = flow::sign_in(connection).await?;
    let authorize = request(&flow::authorize_path(), &[("Cookie", &cookie)], None);
    let mut access_tokens = Vec::new();
    let mut refresh_tokens = Vec::new();
    for _ in 0..TOKENS.max(connections) {
        let code = flow::code(&connection.send(&authorize).await?)?;
        let answer = connection.send(&flow::redeem(&code)).await?;
        access_tokens.push(flow::token(&answer, "access_token")?);
        refresh_tokens.push(flow::token(&answer, "refresh_token")?);
    }

    let get = |path: &str| vec![request(path, &[], None)];
    let with_token =
        |make: &dyn Fn(&str) -> Vec<u8>| access_tokens.iter().map(|token| make(token)).collect::<Vec<_>>();
    let bearer =
        |token: &str| request("/oidc/userinfo", &[("Authorization", &format!("Bearer {token}"))], None);
    let check =
        |token: &str| flow::token_request(&format!("grant_type=check_token_revoked&access_token={token}"));
    let introspect =
        |token: &str| request("/oidc/introspect", &[], Some(&flow::with_client(&format!("token={token}"))));
    let same = |name, is_durable, requests: Vec<Vec<u8>>, expected| Scenario {
        name,
        is_durable,
        lanes: Same::lanes(requests, expected, connections),
    };

    let codes = Codes::default();
    Ok(vec![
        same("GET /healthz (the floor)", false, get("/healthz"), "\"ok\""),
        same("discovery", false, get("/.well-known/openid-configuration"), "\"jwks_uri\""),
        same("key set", false, get("/oidc/jwks"), "\"kid\""),
        same("userinfo, opaque token", false, with_token(&bearer), "\"email\":\"alice@example.com\""),
        same("check_token_revoked", false, with_token(&check), "\"revoked\":false"),
        same("introspection", false, with_token(&introspect), "\"active\":true"),
        same(
            "token, client_credentials",
            true,
            vec![flow::token_request("grant_type=client_credentials")],
            "\"access_token\"",
        ),
        Scenario {
            name: "authorize, signed in",
            is_durable: true,
            lanes: boxed(connections, |_| Authorize { request: authorize.clone(), codes: codes.clone() }),
        },
        Scenario {
            name: "token, authorization_code, RS256",
            is_durable: true,
            lanes: boxed(connections, |_| Redeem { request: Vec::new(), codes: codes.clone() }),
        },
        Scenario {
            name: "token, refresh_token, RS256",
            is_durable: true,
            lanes: boxed(connections, |n| Refresh { request: refresh(&refresh_tokens[n]) }),
        },
    ])
}

fn boxed<L: Lane + 'static>(connections: usize, make: impl Fn(usize) -> L) -> Vec<Box<dyn Lane>> {
    (0..connections).map(|n| Box::new(make(n)) as Box<dyn Lane>).collect()
}

/// One of several requests by turns, each lane from a place of its own; the answer holds some text.
struct Same {
    requests: Arc<[Vec<u8>]>,
    expected: &'static str,
    next: usize,
    /// Odd, so that with a power of two of requests every one has its turn.
    stride: usize,
}

impl Same {
    fn lanes(requests: Vec<Vec<u8>>, expected: &'static str, connections: usize) -> Vec<Box<dyn Lane>> {
        let requests: Arc<[Vec<u8>]> = requests.into();
        boxed(connections, |n| Self {
            requests: requests.clone(),
            expected,
            next: n * 37,
            stride: 2 * n + 101,
        })
    }
}

impl Lane for Same {
    fn request(&mut self) -> Option<&[u8]> {
        self.next = self.next.wrapping_add(self.stride) % self.requests.len();
        Some(&self.requests[self.next])
    }

    fn answer(&mut self, answer: &Answer<'_>) -> Result<()> {
        if answer.status != 200 || !answer.contains(self.expected) {
            bail!("{} is not in the answer: {} {}", self.expected, answer.status, answer.text());
        }
        Ok(())
    }
}

/// Codes on their way from one scenario to the next.
#[derive(Clone, Default)]
struct Codes(Arc<Mutex<Vec<String>>>);

impl Codes {
    fn push(&self, code: String) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(code);
    }

    /// The youngest: a code lives for a minute.
    fn pop(&self) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).pop()
    }
}

/// A browser that is signed in comes back for one more code.
struct Authorize {
    request: Vec<u8>,
    codes: Codes,
}

impl Lane for Authorize {
    fn request(&mut self) -> Option<&[u8]> {
        Some(&self.request)
    }

    fn answer(&mut self, answer: &Answer<'_>) -> Result<()> {
        self.codes.push(flow::code(answer)?);
        Ok(())
    }
}

/// The client redeems what [`Authorize`] brought: a new code each time.
struct Redeem {
    request: Vec<u8>,
    codes: Codes,
}

impl Lane for Redeem {
    fn request(&mut self) -> Option<&[u8]> {
        self.request = flow::redeem(&self.codes.pop()?);
        Some(&self.request)
    }

    fn answer(&mut self, answer: &Answer<'_>) -> Result<()> {
        flow::token(answer, "id_token").map(drop)
    }
}

/// Each lane rotates a family of its own.
struct Refresh {
    request: Vec<u8>,
}

impl Lane for Refresh {
    fn request(&mut self) -> Option<&[u8]> {
        Some(&self.request)
    }

    fn answer(&mut self, answer: &Answer<'_>) -> Result<()> {
        flow::token(answer, "id_token")?;
        self.request = refresh(&flow::token(answer, "refresh_token")?);
        Ok(())
    }
}

fn refresh(token: &str) -> Vec<u8> {
    flow::token_request(&format!("grant_type=refresh_token&refresh_token={token}"))
}
