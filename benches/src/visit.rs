//! A browser on its way through a provider's pages: it keeps cookies, follows redirects and fills in forms, until it is sent back to
//! the client or nothing is left to do.

use std::sync::Arc;

use anyhow::{Context, Result, bail};
use url::Url;

use crate::form::Form;
use crate::http::{Answer, Connection};
use crate::target::{Target, path_of};

/// Pages and redirects in one visit; more are a circle.
const MAX_STEPS: u8 = 12;

/// Name and value of each cookie, whatever its path: a provider under load has no other site beside it.
#[derive(Clone, Default)]
pub(crate) struct Cookies(Vec<(String, String)>);

/// A visit that goes on.
pub(crate) struct Visit {
    target: Arc<Target>,
    pub(crate) cookies: Cookies,
    /// Typed into every form that has such fields.
    typed: Vec<(String, String)>,
    /// Where the browser is.
    at: Url,
    /// Where it leaves the provider.
    end: String,
    request: Vec<u8>,
    steps: u8,
}

impl Cookies {
    pub(crate) fn from_header(header: &str) -> Self {
        let pairs = header.split(';').filter_map(|pair| pair.trim().split_once('='));
        Self(pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
    }

    pub(crate) fn header(&self) -> String {
        self.0.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("; ")
    }

    /// Puts `value` in the place of every one that `is` the one.
    pub(crate) fn replace(&mut self, is: impl Fn(&str) -> bool, value: &str) {
        for (_, held) in self.0.iter_mut().filter(|(_, held)| is(held)) {
            value.clone_into(held);
        }
    }

    fn keep(&mut self, answer: &Answer<'_>) {
        for line in answer.headers("set-cookie") {
            let Some((name, value)) = line.split(';').next().and_then(|pair| pair.split_once('=')) else {
                continue;
            };
            self.0.retain(|(held, _)| held != name);
            if !value.is_empty() {
                self.0.push((name.to_owned(), value.to_owned()));
            }
        }
    }
}

impl Visit {
    /// Begins at `path`; it ends at the address `end`, wherever the query says.
    pub(crate) fn begin(
        target: &Arc<Target>,
        path: &str,
        end: &str,
        typed: &[(String, String)],
        cookies: Cookies,
    ) -> Result<Self> {
        let at = Url::parse(&format!("http://{}", target.address))?.join(path)?;
        let mut visit = Self {
            target: target.clone(),
            cookies,
            typed: typed.to_vec(),
            at,
            end: end.to_owned(),
            request: Vec::new(),
            steps: 0,
        };
        visit.go(None);
        Ok(visit)
    }

    pub(crate) fn request(&self) -> &[u8] {
        &self.request
    }

    /// Looks at the answer: where the browser leaves to, once it does. A page without a form is the end as well.
    pub(crate) fn take(&mut self, answer: &Answer<'_>) -> Result<Option<String>> {
        self.cookies.keep(answer);
        self.steps += 1;
        if self.steps > MAX_STEPS {
            bail!("{} keeps asking and redirecting", self.at);
        }
        match answer.status {
            301..=303 | 307 | 308 => {
                let location = answer.header("location").context("a redirect without a location")?;
                if location.starts_with(&self.end) {
                    return Ok(Some(location.to_owned()));
                }
                self.at = self.at.join(location).with_context(|| format!("a redirect to {location}"))?;
                self.go(None);
                Ok(None)
            }
            200 => {
                let page = answer.text();
                let Some(form) = Form::find(&page) else { return Ok(Some(self.at.to_string())) };
                self.at =
                    self.at.join(&form.action).with_context(|| format!("a form for {}", form.action))?;
                self.go(Some(&form.fill(&self.typed)));
                Ok(None)
            }
            status => bail!("{} answered {status}: {}", self.at, answer.text()),
        }
    }

    fn go(&mut self, form: Option<&str>) {
        let cookies = self.cookies.header();
        let headers = [("Cookie", cookies.as_str()), ("Accept", "text/html")];
        let headers = if cookies.is_empty() { &headers[1..] } else { &headers[..] };
        let path = path_of(&self.at);
        self.request = match form {
            Some(form) => self.target.post(&path, headers, form),
            None => self.target.get(&path, headers),
        };
    }

    /// Goes all the way; where the browser leaves to.
    pub(crate) async fn finish(&mut self, connection: &mut Connection) -> Result<String> {
        loop {
            let answer = connection.send(&self.request).await?;
            if let Some(end) = self.take(&answer)? {
                return Ok(end);
            }
        }
    }
}

/// A parameter of the address that a browser was sent back to.
pub(crate) fn parameter(location: &str, name: &str) -> Option<String> {
    let url = Url::parse(location).ok()?;
    url.query_pairs().find_map(|(n, value)| (n == name).then(|| value.into_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cookies_go_back_as_they_came() {
        let mut cookies = Cookies::from_header("a=1; b=2=3");
        assert_eq!(cookies.header(), "a=1; b=2=3");
        cookies.replace(|value| value == "1", "9");
        assert_eq!(cookies.header(), "a=9; b=2=3");
    }

    #[test]
    fn a_parameter_of_the_answer_is_found() {
        assert_eq!(parameter("http://localhost/cb?state=x&code=a%2Fb", "code").as_deref(), Some("a/b"));
        assert_eq!(parameter("http://localhost/cb?state=x", "code"), None);
    }
}
