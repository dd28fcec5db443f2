//! Searches: which subjects, resources, actions; page by page.

use serde::ser::{Serialize, SerializeMap, Serializer};

use super::{Action, AuthzenError, Entity, Members};
use crate::attributes::Attributes;
use crate::json::Json;

/// How many results a page has when the request does not say.
pub const DEFAULT_PAGE: usize = 100;
/// The most results of one page, whatever the request says.
pub const MAX_PAGE: usize = 500;

/// Which subjects of a type may do this?
#[derive(Clone, Debug, PartialEq)]
pub struct SubjectSearch {
    /// The type of the subjects, and what the request says of them.
    pub subject: (String, Attributes),
    /// What.
    pub action: Action,
    /// On what.
    pub resource: Entity,
    /// In which circumstances.
    pub context: Attributes,
    /// Which part of the answer.
    pub page: Option<PageRequest>,
}

/// On which resources of a type may the subject do this?
#[derive(Clone, Debug, PartialEq)]
pub struct ResourceSearch {
    /// Who.
    pub subject: Entity,
    /// What.
    pub action: Action,
    /// The type of the resources, and what the request says of them.
    pub resource: (String, Attributes),
    /// In which circumstances.
    pub context: Attributes,
    /// Which part of the answer.
    pub page: Option<PageRequest>,
}

/// What may the subject do?
#[derive(Clone, Debug, PartialEq)]
pub struct ActionSearch {
    /// Who.
    pub subject: Entity,
    /// On what.
    pub resource: Entity,
    /// In which circumstances.
    pub context: Attributes,
    /// Which part of the answer.
    pub page: Option<PageRequest>,
}

impl SubjectSearch {
    /// Reads the body of a request.
    ///
    /// # Errors
    /// [`AuthzenError`].
    pub fn parse(body: &str) -> Result<Self, AuthzenError> {
        let mut members = Members::parse(body)?;
        Ok(Self {
            subject: members.kind_of("subject", ["subject.type", "subject.properties"])?,
            action: members.action()?.ok_or(AuthzenError::Missing("action"))?,
            resource: members.resource()?.ok_or(AuthzenError::Missing("resource"))?,
            context: members.attributes("context", "context")?,
            page: PageRequest::read(&mut members)?,
        })
    }
}

impl ResourceSearch {
    /// Reads the body of a request.
    ///
    /// # Errors
    /// [`AuthzenError`].
    pub fn parse(body: &str) -> Result<Self, AuthzenError> {
        let mut members = Members::parse(body)?;
        Ok(Self {
            subject: members.subject()?.ok_or(AuthzenError::Missing("subject"))?,
            action: members.action()?.ok_or(AuthzenError::Missing("action"))?,
            resource: members.kind_of("resource", ["resource.type", "resource.properties"])?,
            context: members.attributes("context", "context")?,
            page: PageRequest::read(&mut members)?,
        })
    }
}

impl ActionSearch {
    /// Reads the body of a request.
    ///
    /// # Errors
    /// [`AuthzenError`].
    pub fn parse(body: &str) -> Result<Self, AuthzenError> {
        let mut members = Members::parse(body)?;
        Ok(Self {
            subject: members.subject()?.ok_or(AuthzenError::Missing("subject"))?,
            resource: members.resource()?.ok_or(AuthzenError::Missing("resource"))?,
            context: members.attributes("context", "context")?,
            page: PageRequest::read(&mut members)?,
        })
    }
}

/// Which part of an answer is asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PageRequest {
    /// The token of the page before, sealed as the server does it; none for the first page.
    pub token: Option<String>,
    /// How many results.
    pub limit: Option<usize>,
}

impl PageRequest {
    fn read(members: &mut Members) -> Result<Option<Self>, AuthzenError> {
        let Some(mut page) = members.object("page", "page")? else { return Ok(None) };
        let limit = match page.take("limit") {
            None => None,
            Some(Json::Integer(limit)) => Some(usize::try_from(limit).map_err(|_| AuthzenError::Limit)?),
            Some(_) => return Err(AuthzenError::Mistyped("page.limit", "a whole number")),
        };
        // An empty token is what the last page carries: no token.
        let token = page.text("token", "page.token")?.filter(|token| !token.is_empty());
        Ok(Some(Self { token, limit }))
    }
}

/// Where a page ended. The server seals it, bound to the caller and to the rest of the request, before it goes out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PageToken {
    /// The limit of the first request.
    pub limit: usize,
    /// The last result that was given.
    pub after: String,
}

impl PageToken {
    /// What is sealed.
    pub fn to_text(&self) -> String {
        format!("{}:{}", self.limit, self.after)
    }

    /// Reads what was sealed.
    pub fn parse(text: &str) -> Option<Self> {
        let (limit, after) = text.split_once(':')?;
        Some(Self { limit: limit.parse().ok()?, after: after.to_owned() })
    }
}

/// A result: exactly its type and id, or its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// A subject or resource.
    Entity {
        /// Its type.
        kind: String,
        /// Its id.
        id: String,
    },
    /// An action.
    Action {
        /// Its name.
        name: String,
    },
}

impl Found {
    fn key(&self) -> &str {
        match self {
            Self::Entity { id, .. } => id,
            Self::Action { name } => name,
        }
    }
}

impl Serialize for Found {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut result = serializer.serialize_map(None)?;
        match self {
            Self::Entity { kind, id } => {
                result.serialize_entry("type", kind)?;
                result.serialize_entry("id", id)?;
            }
            Self::Action { name } => result.serialize_entry("name", name)?,
        }
        result.end()
    }
}

/// The answer to a search.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SearchAnswer {
    /// One page of results, sorted by id.
    pub results: Vec<Found>,
    /// Where it ended, if there are more.
    pub next: Option<PageToken>,
    /// Whether the answer speaks of pages: the request did, or there are more.
    is_paged: bool,
}

impl SearchAnswer {
    /// Cuts a page out of all results. `token` is the opened token of the request.
    ///
    /// # Errors
    /// [`AuthzenError::Token`]: the limit is another than that of the first request.
    pub fn new(
        mut all: Vec<Found>,
        request: Option<&PageRequest>,
        token: Option<&PageToken>,
    ) -> Result<Self, AuthzenError> {
        let said = request.and_then(|request| request.limit);
        if let (Some(said), Some(token)) = (said, token)
            && said != token.limit
        {
            return Err(AuthzenError::Token);
        }
        let limit = token.map(|token| token.limit).or(said).unwrap_or(DEFAULT_PAGE);
        all.sort_unstable_by(|a, b| a.key().cmp(b.key()));
        let rest =
            all.into_iter().skip_while(|one| token.is_some_and(|token| one.key() <= token.after.as_str()));
        let mut results: Vec<Found> = rest.take(limit.min(MAX_PAGE) + 1).collect();
        let has_more = results.len() > limit.min(MAX_PAGE);
        results.truncate(limit.min(MAX_PAGE));
        // A page of none ends where the one before it did.
        let before = token.map_or("", |token| token.after.as_str());
        let last = results.last().map_or(before, Found::key);
        let next = has_more.then(|| PageToken { limit, after: last.to_owned() });
        Ok(Self { results, is_paged: request.is_some() || next.is_some(), next })
    }

    /// The body. `seal` makes of a token what goes out.
    pub fn body(&self, seal: impl FnOnce(&PageToken) -> String) -> String {
        /// Fields in the order in which they are written.
        #[derive(serde::Serialize)]
        struct Body<'a> {
            #[serde(skip_serializing_if = "Option::is_none")]
            page: Option<Page>,
            results: &'a [Found],
        }
        #[derive(serde::Serialize)]
        struct Page {
            next_token: String,
        }
        let next_token = self.next.as_ref().map(seal).unwrap_or_default();
        let page = self.is_paged.then_some(Page { next_token });
        serde_json::to_string(&Body { page, results: &self.results }).expect("texts are JSON")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REST: &str = r#""action":{"name":"read"},"resource":{"type":"object","id":"door"}"#;

    fn paged(page: &str) -> Result<Option<PageRequest>, AuthzenError> {
        SubjectSearch::parse(&format!(r#"{{"subject":{{"type":"user"}},{REST},"page":{page}}}"#))
            .map(|s| s.page)
    }

    #[test]
    fn a_search_needs_the_type_of_what_it_is_for_and_all_else_whole() {
        let search = format!(r#"{{"subject":{{"type":"user","id":"of no matter"}},{REST}}}"#);
        let search = SubjectSearch::parse(&search).expect("whole");
        assert_eq!((&*search.subject.0, &*search.resource.id, search.page), ("user", "door", None));
        let missing = |path| Err(AuthzenError::Missing(path));
        assert_eq!(SubjectSearch::parse(&format!(r#"{{"subject":{{}},{REST}}}"#)), missing("subject.type"));
        assert_eq!(SubjectSearch::parse(&format!("{{{REST}}}")), missing("subject"));

        let alice = r#""subject":{"type":"user","id":"alice"}"#;
        let resources = format!(r#"{{{alice},"action":{{"name":"read"}},"resource":{{"type":"object"}}}}"#);
        assert_eq!(ResourceSearch::parse(&resources).map(|s| s.resource.0), Ok("object".to_owned()));
        assert_eq!(ResourceSearch::parse(&format!("{{{alice}}}")), Err(AuthzenError::Missing("action")));
        let actions = format!(r#"{{{alice},"resource":{{"type":"object","id":"door"}}}}"#);
        assert_eq!(ActionSearch::parse(&actions).map(|s| s.resource.id), Ok("door".to_owned()));
        assert_eq!(ActionSearch::parse("{}"), Err(AuthzenError::Missing("subject")));
    }

    #[test]
    fn pages_are_strictly_typed() {
        let limit = |limit| Ok(Some(PageRequest { token: None, limit: Some(limit) }));
        assert_eq!(paged(r#"{"limit":2}"#), limit(2));
        assert_eq!(paged(r#"{"limit":2,"token":""}"#), limit(2));
        assert_eq!(paged("{}"), Ok(Some(PageRequest::default())));
        assert_eq!(paged(r#"{"limit":0}"#), limit(0));
        assert_eq!(paged(r#"{"limit":-1}"#), Err(AuthzenError::Limit));
        assert_eq!(paged(r#"{"limit":"2"}"#), Err(AuthzenError::Mistyped("page.limit", "a whole number")));
        assert_eq!(paged(r#"{"token":2}"#), Err(AuthzenError::Mistyped("page.token", "text")));
        assert_eq!(paged("[]"), Err(AuthzenError::Mistyped("page", "an object")));
    }

    fn users(ids: &[&str]) -> Vec<Found> {
        ids.iter().map(|id| Found::Entity { kind: "user".to_owned(), id: (*id).to_owned() }).collect()
    }

    fn body(answer: &SearchAnswer) -> String {
        answer.body(PageToken::to_text)
    }

    #[test]
    fn pages_follow_each_other_and_the_last_has_an_empty_token() {
        let all = || users(&["c", "a", "b"]);
        let first = PageRequest { token: None, limit: Some(2) };
        let answer = SearchAnswer::new(all(), Some(&first), None).expect("a page");
        let expected =
            r#"{"page":{"next_token":"2:b"},"results":[{"type":"user","id":"a"},{"type":"user","id":"b"}]}"#;
        assert_eq!(body(&answer), expected);
        let token = PageToken::parse("2:b").expect("a token");
        assert_eq!(answer.next.as_ref(), Some(&token));
        let none = PageRequest { token: None, limit: Some(0) };
        let answer = SearchAnswer::new(all(), Some(&none), None).expect("a page of none");
        assert_eq!(body(&answer), r#"{"page":{"next_token":"0:"},"results":[]}"#);
        for limit in [None, Some(2)] {
            let request = PageRequest { token: Some(String::new()), limit };
            let answer =
                SearchAnswer::new(all(), Some(&request), Some(&token)).expect("the same limit, or none");
            assert_eq!(body(&answer), r#"{"page":{"next_token":""},"results":[{"type":"user","id":"c"}]}"#);
        }
        let other = PageRequest { token: Some(String::new()), limit: Some(3) };
        assert_eq!(SearchAnswer::new(all(), Some(&other), Some(&token)), Err(AuthzenError::Token));
    }

    #[test]
    fn without_pages_the_answer_has_none_unless_it_is_too_long_for_one() {
        let answer = SearchAnswer::new(users(&["a"]), None, None).expect("a page");
        assert_eq!(body(&answer), r#"{"results":[{"type":"user","id":"a"}]}"#);
        let empty = SearchAnswer::new(Vec::new(), None, None).expect("a page");
        assert_eq!(body(&empty), r#"{"results":[]}"#);
        let ids: Vec<String> = (0..1_000).map(|n| format!("{n:04}")).collect();
        let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
        let answer = SearchAnswer::new(users(&ids), None, None).expect("a page");
        assert_eq!((answer.results.len(), answer.next.is_some()), (DEFAULT_PAGE, true));
        let greedy = PageRequest { token: None, limit: Some(10_000) };
        let answer = SearchAnswer::new(users(&ids), Some(&greedy), None).expect("a page");
        assert_eq!((answer.results.len(), answer.next.map(|t| t.limit)), (MAX_PAGE, Some(10_000)));
        let named = vec![Found::Action { name: "read".to_owned() }];
        let answer = SearchAnswer::new(named, None, None).expect("a page");
        assert_eq!(body(&answer), r#"{"results":[{"name":"read"}]}"#);
    }

    #[test]
    fn a_token_is_read_as_it_was_written() {
        for after in ["a", "", "a:b", "ä"] {
            let token = PageToken { limit: 7, after: after.to_owned() };
            assert_eq!(PageToken::parse(&token.to_text()), Some(token));
        }
        for bad in ["", "7", ":a", "-1:a", "x:a"] {
            assert_eq!(PageToken::parse(bad), None, "{bad}");
        }
    }
}
