//! A person at a browser, who signs in, says yes, and notices what is shown.

use authmachine_e2e::form::{self, Form};
use authmachine_e2e::http::Answer;
use authmachine_e2e::{Visitor, http};
use url::Url;

use crate::installation::PASSWORD;

/// More pages in a row than any way has.
const MAX_STEPS: usize = 20;

/// What a page is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Page {
    Login,
    Consent,
    SelectAccount,
    LogoutConfirm,
}

/// A browser of its own.
pub(crate) struct Browser {
    visitor: Visitor,
    /// Who sits there.
    pub(crate) username: String,
}

/// A way through pages and redirects.
#[derive(Debug)]
pub(crate) struct Walk {
    /// What was shown on the way and filled in.
    pub(crate) pages: Vec<Page>,
    /// Addresses that the last page loads in frames.
    pub(crate) frames: Vec<String>,
    pub(crate) end: End,
}

/// Where it ended.
#[derive(Debug)]
pub(crate) enum End {
    /// At a page of the provider's, which nothing leads away from by itself.
    Shown(Answer),
    /// At the clients' site.
    Left(Landing),
}

/// What the browser brings to a client.
#[derive(Debug)]
pub(crate) struct Landing {
    /// The address, as the provider wrote it.
    pub(crate) address: String,
    /// The fields of a form that is posted there.
    pub(crate) form: Option<Vec<(String, String)>>,
    /// What sent it there.
    pub(crate) sent_by: Answer,
}

impl Walk {
    /// What the browser brought to the client.
    #[track_caller]
    pub(crate) fn landing(self) -> Landing {
        match self.end {
            End::Left(landing) => landing,
            End::Shown(page) => panic!("nothing led back to the client; after {:?}: {page:?}", self.pages),
        }
    }

    /// The page at the end.
    #[track_caller]
    pub(crate) fn shown(self) -> Answer {
        match self.end {
            End::Shown(page) => page,
            End::Left(landing) => panic!("after {:?} the browser was sent away: {landing:?}", self.pages),
        }
    }
}

impl Browser {
    /// One that was never here.
    pub(crate) fn of(username: &str) -> Self {
        Self { visitor: Visitor::new(), username: username.to_owned() }
    }

    /// Goes to `url`, fills in what is asked, up to a page that is not for filling in, or an address of `site`.
    pub(crate) async fn walk(&mut self, url: &str, site: &str) -> Walk {
        self.walk_until(url, site, None).await
    }

    /// The same, but does not fill in a page of the kind `stop`.
    pub(crate) async fn walk_until(&mut self, url: &str, site: &str, stop: Option<Page>) -> Walk {
        let url = Url::parse(url).unwrap_or_else(|error| panic!("{url}: {error}"));
        let answer = self.visitor.send(&url, None).await;
        self.go_on(answer.unwrap_or_else(|error| panic!("no answer from {url}: {error:?}")), site, stop).await
    }

    /// Posts a form from a page of `site` to `url`. Being another site, it sends no cookies along (SameSite=Lax).
    pub(crate) async fn post_from(&mut self, site: &str, url: &str, fields: &[(String, String)]) -> Walk {
        let fields: Vec<_> = fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let request = http::form(url, &fields).header("origin", site).header("sec-fetch-site", "cross-site");
        let answer = http::send(request.header("sec-fetch-mode", "navigate")).await;
        self.go_on(answer.unwrap_or_else(|error| panic!("no answer from {url}: {error:?}")), site, None).await
    }

    /// Fills in `page`, which an earlier walk stopped at, and goes on.
    pub(crate) async fn go_on(&mut self, answer: Answer, site: &str, stop: Option<Page>) -> Walk {
        let mut walk = Walk { pages: Vec::new(), frames: Vec::new(), end: End::Shown(answer) };
        for _ in 0..MAX_STEPS {
            let answer = match walk.end {
                End::Shown(answer) => answer,
                End::Left(_) => return walk,
            };
            walk.end = if let Some(location) = answer.header("location") {
                // 307 and 308 would send what was typed on to the client (RFC 9700 §4.12).
                assert!([302, 303].contains(&answer.status), "{answer:?}");
                if location.starts_with(site) {
                    let address = location.to_owned();
                    End::Left(Landing { address, form: None, sent_by: answer })
                } else {
                    let next = answer.location().expect("an address");
                    End::Shown(self.send(&next, None).await)
                }
            } else if let Some(form) =
                form::post_forms(&answer.body).into_iter().find(|form| form.action.starts_with(site))
            {
                let Form { action: address, fields, .. } = form;
                End::Left(Landing { address, form: Some(fields), sent_by: answer })
            } else if let Some((page, form, decision)) = to_fill_in(&answer) {
                if stop == Some(page) {
                    return Walk { end: End::Shown(answer), ..walk };
                }
                assert_eq!(answer.status, 200, "{page:?} is refused: {answer:?}");
                walk.pages.push(page);
                let action = answer.url.join(&form.action).expect("an address");
                let fields = form.fields.iter().map(|(name, value)| (name.as_str(), value.as_str()));
                let username = self.username.clone();
                let known = [("username", username.as_str()), ("password", PASSWORD)];
                let more = if page == Page::Login { &known[..] } else { &[("decision", decision)] };
                let fields: Vec<_> = fields.chain(more.iter().copied()).collect();
                End::Shown(self.send(&action, Some(&fields)).await)
            } else {
                walk.frames = attributes(&answer.body, "<iframe ", "src");
                // A script follows it when the frames have loaded.
                let next = attributes(&answer.body, "id=\"continue\" ", "href").pop();
                match next.filter(|next| next.starts_with(site)) {
                    Some(address) => End::Left(Landing { address, form: None, sent_by: answer }),
                    None => return Walk { end: End::Shown(answer), ..walk },
                }
            };
        }
        panic!("{MAX_STEPS} steps and no end: {walk:?}");
    }

    /// A cookie of the provider's.
    pub(crate) fn cookie(&self, name: &str) -> Option<String> {
        self.visitor.cookies("localhost").remove(name)
    }

    async fn send(&mut self, url: &Url, fields: Option<&[(&str, &str)]>) -> Answer {
        let answer = self.visitor.send(url, fields).await;
        answer.unwrap_or_else(|error| panic!("no answer from {url}: {error:?}"))
    }
}

/// The values of an attribute, wherever `mark` is before it in the tag.
fn attributes(page: &str, mark: &str, name: &str) -> Vec<String> {
    let start = format!("{name}=\"");
    let value =
        |tag: &str| Some(form::unescape(tag.split('>').next()?.split(&start).nth(1)?.split('"').next()?));
    page.split(mark).skip(1).filter_map(value).collect()
}

/// What a page asks for, and what the person decides.
fn to_fill_in(page: &Answer) -> Option<(Page, Form, &'static str)> {
    let has = |decision: &str| page.body.contains(&format!(r#"name="decision" value="{decision}""#));
    let mut forms = form::post_forms(&page.body);
    if let Some(at) = forms.iter().position(|form| form.open.iter().any(|open| open == "password")) {
        return Some((Page::Login, forms.swap_remove(at), ""));
    }
    let form = forms.into_iter().next()?;
    if form.action.contains("/logout") {
        has("yes").then_some((Page::LogoutConfirm, form, "yes"))
    } else if has("continue") {
        Some((Page::SelectAccount, form, "continue"))
    } else {
        has("yes").then_some((Page::Consent, form, "yes"))
    }
}
