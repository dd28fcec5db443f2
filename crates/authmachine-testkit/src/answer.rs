//! What the server answered, and what a test says about it.

use bytes::Bytes;
use http::{HeaderMap, StatusCode, header};
use serde_json::Value;

/// An answer, body and all.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
}

impl Answer {
    /// The body as text.
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("the body is UTF-8")
    }

    /// What a person reads on the page.
    pub fn shown(&self) -> String {
        crate::html::text(self.text())
    }

    /// The form that takes an authorization response to a client, if that is what this page is (Form Post Response Mode §2).
    pub fn form_post(&self) -> Option<crate::html::Form> {
        let is_page = self.header("content-type").is_some_and(|kind| kind.starts_with("text/html"));
        let page = std::str::from_utf8(&self.body)
            .ok()
            .filter(|page| is_page && page.contains("id=\"form-post\""))?;
        crate::html::forms(page).into_iter().next()
    }

    /// The body as JSON, whatever the status.
    #[track_caller]
    pub fn json(&self) -> Value {
        assert!(self.header("content-type").is_some_and(is_json), "JSON is served as JSON: {self:?}");
        serde_json::from_slice(&self.body).expect("the body is JSON")
    }

    /// The JSON body of a 200.
    #[track_caller]
    pub fn ok(&self) -> Value {
        self.assert_status(200).json()
    }

    /// A header's value, when it is there once.
    #[track_caller]
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.headers.get_all(name).iter();
        let value = values.next()?;
        assert!(values.next().is_none(), "{name} is there once");
        Some(value.to_str().expect("header values are visible ASCII"))
    }

    /// `Location`.
    #[track_caller]
    pub fn location(&self) -> &str {
        self.header("location")
            .unwrap_or_else(|| panic!("there is a Location: {} {}", self.status, self.text()))
    }

    /// Checks the status.
    #[track_caller]
    pub fn assert_status(&self, status: u16) -> &Self {
        assert_eq!(self.status.as_u16(), status, "{}", String::from_utf8_lossy(&self.body));
        self
    }

    /// Checks an OAuth error (RFC 6749 §5.2): status, code, a fixed text for developers, JSON that is never stored, a request id;
    /// and no header that belongs to a success.
    #[track_caller]
    pub fn assert_error(&self, status: u16, code: &str) -> &Self {
        self.assert_status(status);
        let body = self.json();
        assert_eq!(body["error"], code, "{body}");
        let described = body["error_description"].as_str().expect("there is an error_description");
        assert!(is_description(described), "{described}");
        assert_eq!(body.as_object().expect("an object").len(), 2, "nothing else: {body}");
        assert_eq!(self.header("cache-control"), Some("no-store"));
        assert!(self.header("x-request-id").is_some_and(|id| id.len() == 16));
        assert!(
            !self.headers.contains_key(header::SET_COOKIE) && !self.headers.contains_key(header::LOCATION)
        );
        self
    }

    /// Checks one of our own pages.
    #[track_caller]
    pub fn assert_page(&self, status: u16, words: &str) -> &Self {
        self.assert_status(status);
        assert_eq!(self.header("content-type"), Some("text/html; charset=utf-8"));
        let shown = self.shown();
        assert!(shown.contains(words), "«{words}» is in\n{shown}");
        self
    }

    /// Checks that `text` stands nowhere in the answer: neither in its body, as it is or escaped, nor in a header.
    #[track_caller]
    pub fn assert_no_echo(&self, text: &str) -> &Self {
        let body = String::from_utf8_lossy(&self.body);
        for form in [body.to_string(), crate::html::unescape(&body)] {
            assert!(!form.contains(text), "«{text}» is echoed in\n{form}");
        }
        for (name, value) in &self.headers {
            assert!(
                !String::from_utf8_lossy(value.as_bytes()).contains(text),
                "«{text}» is echoed in {name}"
            );
        }
        self
    }
}

/// Whether a text may be an `error_description` (RFC 6749 §4.1.2.1, §5.2): visible ASCII without quotes and backslashes.
pub(crate) fn is_description(text: &str) -> bool {
    text.bytes().all(|b| matches!(b, 0x20 | 0x21 | 0x23..=0x5B | 0x5D..=0x7E))
}

fn is_json(content_type: &str) -> bool {
    matches!(content_type, "application/json" | "application/scim+json")
}
