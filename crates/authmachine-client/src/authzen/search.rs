//! Searches, page by page.

use serde_json::{Map, Value};

use super::{Pdp, pdp::Api};
use crate::{Error, HttpError};

/// A search (AuthZEN 1.0 §8), from [`Pdp::subjects`], [`Pdp::resources`] or [`Pdp::actions`]. Asks nothing until a page is
/// wanted.
#[must_use = "a search does nothing until a page is asked for"]
#[derive(Clone, Debug)]
pub struct Search<T> {
    pdp: Pdp,
    api: Api,
    question: Map<String, Value>,
    /// The type that is searched for.
    kind: String,
    read: Read<T>,
    /// Of the page to ask for next; the first one needs none.
    token: Option<String>,
    is_over: bool,
}

/// Reads one of those that were found; `None` if it is nothing of this type.
pub(super) type Read<T> = fn(&Value, &str) -> Option<T>;

impl<T> Search<T> {
    pub(super) fn new(pdp: &Pdp, api: Api, question: Map<String, Value>, kind: &str, read: Read<T>) -> Self {
        Self { pdp: pdp.clone(), api, question, kind: kind.to_owned(), read, token: None, is_over: false }
    }

    /// With one circumstance more, as [`Evaluation::with`](super::Evaluation::with).
    pub fn with(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.member("context").insert(name.into(), value.into());
        self
    }

    /// At most this many on a page. Decision points have a limit of their own too.
    pub fn limit(mut self, limit: u32) -> Self {
        self.member("page").insert("limit".to_owned(), limit.into());
        self
    }

    /// The next page, which may be empty; `None` after the last one. After an error the same page is asked for again.
    ///
    /// # Errors
    /// Whenever there is no page that holds what was searched for and nothing else.
    pub async fn next_page(&mut self) -> Result<Option<Vec<T>>, Error> {
        if self.is_over {
            return Ok(None);
        }
        if let Some(token) = self.token.clone() {
            self.member("page").insert("token".to_owned(), token.into());
        }
        let read = |answer: Map<String, Value>| self.read_page(&answer);
        let (results, next) = self.pdp.ask(self.api, &self.question, read).await?;
        self.is_over = next.is_none();
        self.token = next;
        Ok(Some(results))
    }

    /// All that there are, on however many pages.
    ///
    /// # Errors
    /// Of any page; and [`HttpError::TooLarge`] if there are more than `most`: a list cut short is a wrong answer.
    pub async fn all(mut self, most: usize) -> Result<Vec<T>, Error> {
        let (mut all, mut pages) = (Vec::new(), 0);
        while let Some(page) = self.next_page().await? {
            all.extend(page);
            pages += 1;
            // Pages count as well, so that one ends that is led from empty page to empty page.
            if all.len() > most || pages > most && !self.is_over {
                let url = self.pdp.endpoint(self.api).await?;
                return Err(Error::Unreachable { url, cause: HttpError::TooLarge });
            }
        }
        Ok(all)
    }

    /// Reads a page (AuthZEN 1.0 §8.2.2, §8.3): what was found, and the token of the page after it.
    fn read_page(&self, answer: &Map<String, Value>) -> Result<(Vec<T>, Option<String>), String> {
        let results = answer.get("results").and_then(Value::as_array).ok_or("results is no array")?;
        let results = results.iter().map(|found| (self.read)(found, &self.kind));
        let results = results.collect::<Option<_>>().ok_or("a result is not what was searched for")?;
        let next = match answer.get("page") {
            None | Some(Value::Null) => &Value::Null,
            Some(Value::Object(page)) => page.get("next_token").unwrap_or(&Value::Null),
            Some(_) => return Err("page is no object".to_owned()),
        };
        let next = match next {
            Value::Null => None,
            Value::String(token) => Some(token.clone()).filter(|token| !token.is_empty()),
            _ => return Err("next_token is no text".to_owned()),
        };
        if next.is_some() && next == self.token {
            return Err("the page leads to itself".to_owned());
        }
        Ok((results, next))
    }

    fn member(&mut self, name: &str) -> &mut Map<String, Value> {
        let member = self.question.entry(name).or_insert_with(|| Map::new().into());
        member.as_object_mut().expect("only this method puts members in, and they are objects")
    }
}
