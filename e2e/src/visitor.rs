//! A person with a browser that has no scripts and no pictures: cookies, redirects, forms.

use std::collections::BTreeMap;

use reqwest::Method;
use reqwest::header::{COOKIE, HeaderMap, ORIGIN, SET_COOKIE};
use url::Url;

use crate::form::{self, Form};
use crate::http::{self, Answer, Lost};

/// More redirects in a row than any way of ours has.
const MAX_HOPS: usize = 20;

/// Cookies by host and name: ports share them, paths are not looked at.
type Jar = BTreeMap<(String, String), String>;

/// A person at a browser.
#[derive(Clone, Debug, Default)]
pub struct Visitor {
    jar: Jar,
    /// Header fields that every request has, e.g. those of a proxy in between.
    pub headers: Vec<(&'static str, String)>,
    /// What to connect to instead of what the address says, as a proxy's name does: (origin, origin).
    pub by_way_of: Option<(String, String)>,
}

/// Where a way through pages and redirects ended.
#[derive(Debug)]
pub enum Stop {
    /// At a page.
    Page(Answer),
    /// At an address that was not to be visited: somebody's redirect URI.
    Left(Url),
}

impl Stop {
    /// The address, when it was left by.
    ///
    /// # Panics
    /// With the page.
    #[track_caller]
    pub fn left(self) -> Url {
        match self {
            Self::Left(url) => url,
            Self::Page(page) => panic!("stopped at a page: {page:?}"),
        }
    }

    /// The page.
    ///
    /// # Panics
    /// With the address that it was left by.
    #[track_caller]
    pub fn page(self) -> Answer {
        match self {
            Self::Page(page) => page,
            Self::Left(url) => panic!("left by {url}"),
        }
    }
}

impl Visitor {
    /// A browser that was never here.
    pub fn new() -> Self {
        Self::default()
    }

    /// The cookies of a host, by name.
    pub fn cookies(&self, host: &str) -> BTreeMap<String, String> {
        let of_host = self.jar.iter().filter(|((of, _), _)| of == host);
        of_host.map(|((_, name), value)| (name.clone(), value.clone())).collect()
    }

    /// Forgets the cookies of a host.
    pub fn forget(&mut self, host: &str) {
        self.jar.retain(|(of, _), _| of != host);
    }

    /// One request, redirects not followed.
    ///
    /// # Errors
    /// [`Lost`].
    pub async fn send(&mut self, url: &Url, fields: Option<&[(&str, &str)]>) -> Result<Answer, Lost> {
        let host = url.host_str().unwrap_or_default().to_owned();
        let target = match &self.by_way_of {
            Some((from, to)) if url.as_str().starts_with(from.as_str()) => {
                url.as_str().replacen(from.as_str(), to, 1)
            }
            _ => url.as_str().to_owned(),
        };
        let mut request = match fields {
            // A browser names the page's origin with a form.
            Some(fields) => http::form(&target, fields).header(ORIGIN, url.origin().ascii_serialization()),
            None => http::request(Method::GET, &target),
        };
        let cookies: Vec<String> =
            self.cookies(&host).iter().map(|(name, value)| format!("{name}={value}")).collect();
        if !cookies.is_empty() {
            request = request.header(COOKIE, cookies.join("; "));
        }
        for (name, value) in &self.headers {
            request = request.header(*name, value);
        }
        let mut answer = http::send(request).await?;
        // What it says is about the address that was asked for.
        answer.url = url.clone();
        self.keep(&host, &answer.headers);
        Ok(answer)
    }

    fn keep(&mut self, host: &str, headers: &HeaderMap) {
        for cookie in headers.get_all(SET_COOKIE).iter().filter_map(|value| value.to_str().ok()) {
            let (pair, attributes) = cookie.split_once(';').unwrap_or((cookie, ""));
            let Some((name, value)) = pair.split_once('=') else { continue };
            let key = (host.to_owned(), name.trim().to_owned());
            let attributes = attributes.to_ascii_lowercase();
            // Flask takes a cookie away by a date, we by an age.
            let is_over = attributes.contains("max-age=0") || attributes.contains("01 jan 1970");
            if is_over {
                self.jar.remove(&key)
            } else {
                self.jar.insert(key, value.to_owned())
            };
        }
    }

    /// Follows redirects from `answer`, but to no address that begins with one of `stops`.
    ///
    /// # Errors
    /// [`Lost`].
    pub async fn follow(&mut self, mut answer: Answer, stops: &[&str]) -> Result<Stop, Lost> {
        for _ in 0..MAX_HOPS {
            let Some(next) = answer.location() else { return Ok(Stop::Page(answer)) };
            if stops.iter().any(|stop| next.as_str().starts_with(stop)) {
                return Ok(Stop::Left(next));
            }
            answer = self.send(&next, None).await?;
        }
        panic!("more than {MAX_HOPS} redirects; the last was at {}", answer.url);
    }

    /// Goes to `url`.
    ///
    /// # Errors
    /// [`Lost`].
    pub async fn try_visit(&mut self, url: &str, stops: &[&str]) -> Result<Stop, Lost> {
        let url = Url::parse(url).unwrap_or_else(|error| panic!("{url}: {error}"));
        let answer = self.send(&url, None).await?;
        self.follow(answer, stops).await
    }

    /// Goes to `url` and follows every redirect; the page at the end.
    ///
    /// # Panics
    /// Without an answer.
    pub async fn visit(&mut self, url: &str) -> Answer {
        self.try_visit(url, &[])
            .await
            .unwrap_or_else(|error| panic!("no answer from {url}: {error:?}"))
            .page()
    }

    /// Goes to `url`, fills in the login page and says yes where the person is asked.
    ///
    /// # Errors
    /// [`Lost`].
    pub async fn try_sign_in(
        &mut self,
        url: &str,
        name: &str,
        password: &str,
        stops: &[&str],
    ) -> Result<Stop, Lost> {
        let mut stop = self.try_visit(url, stops).await?;
        for _ in 0..MAX_HOPS {
            let Stop::Page(page) = &stop else { return Ok(stop) };
            let forms = form::post_forms(&page.body);
            let asks_for_password = |form: &&Form| form.open.iter().any(|open| open == "password");
            let (form, more) = if let Some(form) = forms.iter().find(asks_for_password) {
                // Refused: what the page says is the test's business.
                if page.status == 401 || page.status == 429 {
                    return Ok(stop);
                }
                (form, vec![("username", name), ("password", password)])
            } else if let (Some(form), true) =
                (forms.first(), page.body.contains(r#"name="decision" value="yes""#))
            {
                (form, vec![("decision", "yes")])
            } else {
                return Ok(stop);
            };
            let mut fields: Vec<(&str, &str)> =
                form.fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
            fields.extend(more);
            let action =
                page.url.join(&form.action).unwrap_or_else(|error| panic!("{}: {error}", form.action));
            let answer = self.send(&action, Some(&fields)).await?;
            stop = self.follow(answer, stops).await?;
        }
        panic!("{MAX_HOPS} pages and no end; the last: {stop:?}");
    }

    /// Signs in, starting at `url`.
    ///
    /// # Panics
    /// Without an answer.
    pub async fn sign_in(&mut self, url: &str, name: &str, password: &str, stops: &[&str]) -> Stop {
        let signed_in = self.try_sign_in(url, name, password, stops).await;
        signed_in.unwrap_or_else(|error| panic!("no answer on the way from {url}: {error:?}"))
    }

    /// Sends the form of `page` that has a hidden field or an action with `mark` in it, and follows.
    ///
    /// # Panics
    /// When there is no such form, or no answer.
    pub async fn press(&mut self, page: &Answer, mark: &str, more: &[(&str, &str)]) -> Answer {
        let forms = form::post_forms(&page.body);
        let form = forms
            .iter()
            .find(|form| form.action.contains(mark))
            .unwrap_or_else(|| panic!("no form {mark}: {page:?}"));
        let mut fields: Vec<(&str, &str)> =
            form.fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        fields.extend(more);
        let action = page.url.join(&form.action).unwrap_or_else(|error| panic!("{}: {error}", form.action));
        let answer = self
            .send(&action, Some(&fields))
            .await
            .unwrap_or_else(|error| panic!("no answer from {action}: {error:?}"));
        self.follow(answer, &[]).await.unwrap_or_else(|error| panic!("no answer: {error:?}")).page()
    }
}
