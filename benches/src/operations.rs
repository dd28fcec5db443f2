//! What is asked of a provider, one operation over and over.

use std::sync::Arc;

use anyhow::{Context, Result, bail};

use crate::form::encode;
use crate::http::Answer;
use crate::load::{Lane, Lanes, Step};
use crate::random::Random;
use crate::supplies::{Pool, Samples, Seen, Session, Supplies, logout_form, visit};
use crate::target::{Client, Target};
use crate::visit::{Cookies, Visit};

/// A kind of operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
pub(crate) enum Operation {
    Empty,
    Discovery,
    Jwks,
    CheckTokenRevoked,
    Introspection,
    Userinfo,
    UserinfoPermissions,
    Permissions,
    ClientCredentials,
    Authorize,
    CodeEs256,
    CodeRs256,
    Refresh,
    Login,
    Logout,
}

/// All of them; the first is what the others are compared with.
pub(crate) const ALL: [Operation; 15] = [
    Operation::Empty,
    Operation::Discovery,
    Operation::Jwks,
    Operation::CheckTokenRevoked,
    Operation::Introspection,
    Operation::Userinfo,
    Operation::UserinfoPermissions,
    Operation::Permissions,
    Operation::ClientCredentials,
    Operation::Authorize,
    Operation::CodeEs256,
    Operation::CodeRs256,
    Operation::Refresh,
    Operation::Login,
    Operation::Logout,
];

/// Sign-ins at a time: each keeps a processor busy, and many tries on one account at once look like an attack.
const LOGINS: usize = 3;

/// How many connections operations have.
#[derive(Clone, Copy)]
pub(crate) struct Connections {
    pub(crate) usual: usize,
    /// Of those that wait for the disk.
    pub(crate) durable: usize,
}

impl Operation {
    /// What tables call it.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Empty => "empty (`/healthz`)",
            Self::Discovery => "discovery",
            Self::Jwks => "JWKS",
            Self::CheckTokenRevoked => "`check_token_revoked`",
            Self::Introspection => "introspection",
            Self::Userinfo => "userinfo",
            Self::UserinfoPermissions => "userinfo, 20 permissions",
            Self::Permissions => "permission answer, 20 objects",
            Self::ClientCredentials => "client credentials",
            Self::Authorize => "authorize, live session",
            Self::CodeEs256 => "code exchange, ES256",
            Self::CodeRs256 => "code exchange, RS256",
            Self::Refresh => "refresh with rotation",
            Self::Login => "password login",
            Self::Logout => "logout",
        }
    }

    /// Whether the answer waits for the disk.
    pub(crate) fn is_durable(self) -> bool {
        self >= Self::ClientCredentials
    }

    /// What its code's ID token is signed with.
    pub(crate) fn algorithm(self) -> Option<&'static str> {
        match self {
            Self::CodeEs256 => Some("ES256"),
            Self::CodeRs256 => Some("RS256"),
            _ => None,
        }
    }

    /// How many connections it has.
    pub(crate) fn connections(self, connections: Connections) -> usize {
        match self {
            Self::Login => LOGINS,
            _ if self.is_durable() => connections.durable,
            _ => connections.usual,
        }
    }

    /// Why `target` does not have it, if so.
    pub(crate) fn absence(self, target: &Target, supplies: &Supplies) -> Option<&'static str> {
        let (endpoints, extras) = (&target.endpoints, &target.access.extras);
        let grants = |grant_type: &str| endpoints.grant_types.iter().any(|known| known == grant_type);
        let (is_there, why) = match self {
            Self::Empty => (extras.empty.is_some(), "no empty endpoint is known"),
            Self::Discovery | Self::Jwks | Self::Authorize => (true, ""),
            Self::CheckTokenRevoked => (extras.token_check, "it has no such check"),
            Self::Introspection => (endpoints.introspection.is_some(), "it has no introspection"),
            Self::Userinfo => (endpoints.userinfo.is_some(), "it has no userinfo"),
            Self::UserinfoPermissions => {
                (!supplies.permission_tokens.is_empty(), "its userinfo knows no permissions")
            }
            Self::Permissions => (extras.permissions.is_some(), "it does not answer about permissions"),
            Self::ClientCredentials => (grants("client_credentials"), "it has no client_credentials"),
            Self::CodeEs256 => (target.client_with("ES256").is_some(), "no client with ES256 is known"),
            Self::CodeRs256 => (target.client_with("RS256").is_some(), "no client with RS256 is known"),
            Self::Refresh => (supplies.refresh_tokens.len() > 0, "it gave no refresh tokens"),
            Self::Login => {
                let has_form = matches!(&target.access.login, crate::target::Login::Form(_));
                (has_form, "nobody knows what to type")
            }
            Self::Logout => (
                endpoints.end_session.is_some() && supplies.sessions.len() > 0,
                "it has no logout, or nobody is signed in",
            ),
        };
        (!is_there).then_some(why)
    }

    /// The lanes of an operation that `target` has.
    pub(crate) fn lanes(
        self,
        target: &Arc<Target>,
        supplies: &Supplies,
        connections: Connections,
    ) -> Result<Lanes> {
        let count = self.connections(connections);
        let (client, extras) = (target.client()?.clone(), &target.access.extras);
        let get = |path: &str, headers: &[(&str, &str)], expected| {
            let request = target.get(path, headers);
            lanes(count, |_| Same { request: request.clone(), expected })
        };
        let with_tokens = |tokens: &Arc<[String]>, template: Template, expected| {
            lanes(count, |_| AnyToken {
                tokens: tokens.clone(),
                random: Random::new(),
                template: template.clone(),
                expected,
                request: Vec::new(),
            })
        };
        let userinfo = || -> Result<Template> {
            let path = target.endpoints.userinfo.clone().context("no userinfo")?;
            let target = target.clone();
            let make = move |token: &str| target.get(&path, &[("Authorization", &format!("Bearer {token}"))]);
            Ok(Template::new(make))
        };
        let tokens = &supplies.access_tokens;
        Ok(match self {
            Self::Empty => get(extras.empty.as_deref().context("none")?, &[], "ok"),
            Self::Discovery => get(&target.endpoints.discovery, &[], "\"jwks_uri\""),
            Self::Jwks => get(&target.endpoints.jwks, &[], "\"kid\""),
            Self::CheckTokenRevoked => {
                let field = "grant_type=check_token_revoked&access_token";
                with_tokens(
                    tokens,
                    Template::form(target, &client, &target.endpoints.token, field),
                    "\"revoked\":false",
                )
            }
            Self::Introspection => {
                let path = target.endpoints.introspection.as_deref().context("none")?;
                with_tokens(tokens, Template::form(target, &client, path, "token"), "\"active\":true")
            }
            Self::Userinfo => with_tokens(tokens, userinfo()?, "\"sub\":"),
            Self::UserinfoPermissions => {
                with_tokens(&supplies.permission_tokens, userinfo()?, "\"object20\":[\"read\"]")
            }
            Self::Permissions => {
                let (path, token) = extras.permissions.as_ref().context("none")?;
                get(path, &[("Authorization", token)], "\"object20\"")
            }
            Self::ClientCredentials => {
                let request = target.token(&client, "grant_type=client_credentials");
                lanes(count, |_| Same { request: request.clone(), expected: "\"access_token\"" })
            }
            Self::Authorize => authorize(target, supplies, 0, count),
            Self::CodeEs256 | Self::CodeRs256 => {
                let at = place(target, self.algorithm().context("no algorithm")?)?;
                let client = &target.access.clients[at];
                let rest = format!(
                    "grant_type=authorization_code&redirect_uri={}&code",
                    encode(&client.redirect_uri)
                );
                let template = Template::form(target, client, &target.endpoints.token, &rest);
                lanes(count, |_| Redeem {
                    client: at,
                    codes: supplies.codes[at].clone(),
                    template: template.clone(),
                    samples: supplies.samples.clone(),
                    request: Vec::new(),
                    code: String::new(),
                })
            }
            Self::Refresh => {
                let field = "grant_type=refresh_token&refresh_token";
                let template = Template::form(target, &client, &target.endpoints.token, field);
                lanes(count, |_| Refresh {
                    tokens: supplies.refresh_tokens.clone(),
                    random: Random::new(),
                    template: template.clone(),
                    samples: supplies.samples.clone(),
                    request: Vec::new(),
                    token: String::new(),
                })
            }
            Self::Login => lanes(count, |_| Visits {
                begin: {
                    let (target, client) = (target.clone(), client.clone());
                    Box::new(move || visit(&target, &client, Cookies::default()).ok())
                },
                going: None,
                end: client.redirect_uri.clone(),
            }),
            Self::Logout => {
                let path = target.endpoints.end_session.clone().context("no logout")?;
                lanes(count, |_| Visits {
                    begin: {
                        let (target, client, path) = (target.clone(), client.clone(), path.clone());
                        let sessions = supplies.sessions.clone();
                        Box::new(move || log_out(&target, &client, &path, sessions.pop()?).ok())
                    },
                    going: None,
                    end: client.post_logout_redirect_uri.clone(),
                })
            }
        })
    }
}

/// Lanes that get codes for the client at a place in the list.
pub(crate) fn authorize(target: &Arc<Target>, supplies: &Supplies, client: usize, count: usize) -> Lanes {
    let of = &target.access.clients[client];
    let path = target.authorization_request(of, None);
    let request = |cookies: &Cookies| target.get(&path, &[("Cookie", &cookies.header())]);
    let requests: Arc<[Vec<u8>]> = supplies.browsers.iter().map(request).collect();
    lanes(count, |_| Authorize {
        requests: requests.clone(),
        random: Random::new(),
        start: of.redirect_uri.clone(),
        codes: supplies.codes[client].clone(),
        seen: supplies.seen.clone(),
    })
}

/// The place in the list of the client whose ID tokens are signed with `algorithm`.
pub(crate) fn place(target: &Target, algorithm: &str) -> Result<usize> {
    let place = target.access.clients.iter().position(|client| client.algorithm == algorithm);
    place.with_context(|| format!("no client with {algorithm}"))
}

fn lanes<L: Lane + 'static>(count: usize, make: impl Fn(usize) -> L) -> Lanes {
    (0..count).map(|n| Box::new(make(n)) as Box<dyn Lane>).collect()
}

fn log_out(target: &Arc<Target>, client: &Client, path: &str, session: Session) -> Result<Visit> {
    let query = logout_form(client, &session);
    let path = format!("{path}{}{query}", if path.contains('?') { '&' } else { '?' });
    // What a page may ask for.
    let typed = [("logout".to_owned(), "yes".to_owned()), ("decision".to_owned(), "yes".to_owned())];
    Visit::begin(target, &path, &client.post_logout_redirect_uri, &typed, session.cookies)
}

/// How a request is made with something in it.
type Make = Arc<dyn Fn(&str) -> Vec<u8> + Send + Sync>;

/// A request with a place for a token: all around it is made once, for tokens of one length.
#[derive(Clone)]
struct Template {
    make: Make,
    length: usize,
    before: Vec<u8>,
    after: Vec<u8>,
}

impl Template {
    fn new(make: impl Fn(&str) -> Vec<u8> + Send + Sync + 'static) -> Self {
        Self { make: Arc::new(make), length: usize::MAX, before: Vec::new(), after: Vec::new() }
    }

    /// A form of `client`'s whose last field, `rest`, has the token.
    fn form(target: &Arc<Target>, client: &Client, path: &str, rest: &str) -> Self {
        let (target, client, path, rest) = (target.clone(), client.clone(), path.to_owned(), rest.to_owned());
        Self::new(move |token| target.post_as(&client, &path, &format!("{rest}={}", encode(token))))
    }

    fn write(&mut self, token: &str, request: &mut Vec<u8>) {
        request.clear();
        if self.length != token.len() {
            self.measure(token.len());
        }
        let is_plain = token.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte));
        if is_plain {
            request.extend_from_slice(&self.before);
            request.extend_from_slice(token.as_bytes());
            request.extend_from_slice(&self.after);
        } else {
            request.extend((self.make)(token));
        }
    }

    fn measure(&mut self, length: usize) {
        let filler = "~".repeat(length);
        let request = (self.make)(&filler);
        let at = request.windows(length.max(1)).rposition(|bytes| bytes == filler.as_bytes()).unwrap_or(0);
        self.before = request[..at].to_vec();
        self.after = request[at + length..].to_vec();
        self.length = length;
    }
}

/// Fails unless the answer has that status and holds some text.
fn expect(answer: &Answer<'_>, status: u16, expected: &str) -> Result<()> {
    if answer.status != status || !answer.contains(expected) {
        bail!("{expected} is not in the answer: {} {}", answer.status, answer.text());
    }
    Ok(())
}

/// The same request each time.
struct Same {
    request: Vec<u8>,
    expected: &'static str,
}

impl Lane for Same {
    fn request(&mut self) -> Option<&[u8]> {
        Some(&self.request)
    }

    fn answer(&mut self, answer: &Answer<'_>) -> Result<Step> {
        expect(answer, 200, self.expected)?;
        Ok(Step::Done)
    }
}

/// A request with any of many tokens.
struct AnyToken {
    tokens: Arc<[String]>,
    random: Random,
    template: Template,
    expected: &'static str,
    request: Vec<u8>,
}

impl Lane for AnyToken {
    fn request(&mut self) -> Option<&[u8]> {
        let token = self.tokens.get(self.random.below(self.tokens.len().max(1)))?;
        self.template.write(token, &mut self.request);
        Some(&self.request)
    }

    fn answer(&mut self, answer: &Answer<'_>) -> Result<Step> {
        expect(answer, 200, self.expected)?;
        Ok(Step::Done)
    }
}

/// Any browser that is signed in comes back for one more code.
struct Authorize {
    requests: Arc<[Vec<u8>]>,
    random: Random,
    /// How the address that it is sent back to begins.
    start: String,
    codes: Pool<String>,
    seen: Seen,
}

impl Lane for Authorize {
    fn request(&mut self) -> Option<&[u8]> {
        self.requests.get(self.random.below(self.requests.len().max(1))).map(Vec::as_slice)
    }

    fn answer(&mut self, answer: &Answer<'_>) -> Result<Step> {
        let location = answer.header("location").filter(|location| location.starts_with(&self.start));
        let query = location.and_then(|location| location[self.start.len()..].strip_prefix('?'));
        let code = query.and_then(|query| query.split('&').find_map(|pair| pair.strip_prefix("code=")));
        let code = code.with_context(|| format!("no code: {} {}", answer.status, answer.text()))?;
        self.seen.first_time(code)?;
        self.codes.push(code.to_owned());
        Ok(Step::Done)
    }
}

/// The client redeems what [`Authorize`] brought: a new code each time.
struct Redeem {
    client: usize,
    codes: Pool<String>,
    template: Template,
    samples: Samples,
    request: Vec<u8>,
    code: String,
}

impl Lane for Redeem {
    fn request(&mut self) -> Option<&[u8]> {
        self.code = self.codes.pop()?;
        self.template.write(&self.code, &mut self.request);
        Some(&self.request)
    }

    fn answer(&mut self, answer: &Answer<'_>) -> Result<Step> {
        self.samples.id_token(self.client, &answer.member("id_token")?);
        self.samples.used_code(self.client, &self.code);
        Ok(Step::Done)
    }
}

/// Any family is rotated.
struct Refresh {
    tokens: Pool<String>,
    random: Random,
    template: Template,
    samples: Samples,
    request: Vec<u8>,
    token: String,
}

impl Lane for Refresh {
    fn request(&mut self) -> Option<&[u8]> {
        self.token = self.tokens.take_any(&mut self.random)?;
        self.template.write(&self.token, &mut self.request);
        Some(&self.request)
    }

    fn answer(&mut self, answer: &Answer<'_>) -> Result<Step> {
        expect(answer, 200, "\"access_token\"")?;
        let next = answer.member("refresh_token")?;
        if next == self.token {
            bail!("the refresh token was not rotated");
        }
        if let Ok(token) = answer.member("id_token") {
            self.samples.id_token(0, &token);
        }
        self.tokens.push(next);
        Ok(Step::Done)
    }
}

/// Browsers on their way through pages, one after the other.
struct Visits {
    begin: Box<dyn FnMut() -> Option<Visit> + Send>,
    going: Option<Visit>,
    end: String,
}

impl Lane for Visits {
    fn request(&mut self) -> Option<&[u8]> {
        if self.going.is_none() {
            self.going = Some((self.begin)()?);
        }
        self.going.as_ref().map(Visit::request)
    }

    fn answer(&mut self, answer: &Answer<'_>) -> Result<Step> {
        let going = self.going.as_mut().context("no visit is on its way")?;
        let Some(end) = going.take(answer)? else { return Ok(Step::More) };
        self.going = None;
        if !end.starts_with(&self.end) {
            bail!("the visit ends at {end}: {} {}", answer.status, answer.text());
        }
        Ok(Step::Done)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_template_is_what_is_made_afresh() {
        let make =
            |token: &str| format!("length {}\r\n\r\nx={}&y", encode(token).len(), encode(token)).into_bytes();
        let mut template = Template::new(make);
        let mut request = Vec::new();
        for token in ["abc", "def", "longer", "a+b", ""] {
            template.write(token, &mut request);
            assert_eq!(request, make(token), "{token}");
        }
    }
}
