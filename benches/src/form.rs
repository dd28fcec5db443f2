//! The form of a page, as a person fills it in.

/// A form that is posted.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Form {
    /// Where to; empty is the page's own address.
    pub(crate) action: String,
    /// Names of fields, and what they hold before anybody types.
    pub(crate) fields: Vec<(String, String)>,
}

impl Form {
    /// The first form of `page` that is posted.
    pub(crate) fn find(page: &str) -> Option<Self> {
        page.split("<form").skip(1).find_map(|rest| {
            let (tag, body) = rest.split_once('>')?;
            if !attribute(tag, "method")?.eq_ignore_ascii_case("post") {
                return None;
            }
            let body = body.split("</form").next().unwrap_or_default();
            let inputs = body.split("<input").skip(1).map(|rest| rest.split('>').next().unwrap_or_default());
            let fields = inputs
                .filter(|tag| {
                    !matches!(attribute(tag, "type").as_deref(), Some("submit" | "button" | "checkbox"))
                })
                .filter_map(|tag| {
                    Some((attribute(tag, "name")?, attribute(tag, "value").unwrap_or_default()))
                });
            Some(Self { action: attribute(tag, "action").unwrap_or_default(), fields: fields.collect() })
        })
    }

    /// The body to post, with `filled` in place of what the form held.
    pub(crate) fn fill(&self, filled: &[(String, String)]) -> String {
        let kept = self.fields.iter().filter(|(name, _)| filled.iter().all(|(other, _)| other != name));
        let pairs = kept.chain(filled).map(|(name, value)| format!("{}={}", encode(name), encode(value)));
        pairs.collect::<Vec<_>>().join("&")
    }
}

/// The value of an attribute, in whatever quotes.
fn attribute(tag: &str, name: &str) -> Option<String> {
    let mut rest = tag;
    loop {
        let at = rest.to_ascii_lowercase().find(name)?;
        let is_whole = at == 0 || rest[..at].ends_with(|c: char| c.is_ascii_whitespace());
        rest = &rest[at + name.len()..];
        let Some(value) = rest.trim_start().strip_prefix('=').filter(|_| is_whole) else { continue };
        let value = value.trim_start();
        let text = match value.chars().next()? {
            quote @ ('"' | '\'') => value[1..].split(quote).next()?,
            _ => value.split(|c: char| c.is_ascii_whitespace() || c == '/').next()?,
        };
        return Some(unescape(text));
    }
}

/// The character references that pages need in attributes.
fn unescape(text: &str) -> String {
    let names =
        [("&quot;", "\""), ("&#34;", "\""), ("&#39;", "'"), ("&#x27;", "'"), ("&lt;", "<"), ("&gt;", ">")];
    let plain = names.iter().fold(text.to_owned(), |text, (name, plain)| text.replace(name, plain));
    plain.replace("&#38;", "&").replace("&amp;", "&")
}

/// Percent-encoding that is right in a query, a form and Basic credentials alike.
pub(crate) fn encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                encoded.push(char::from(byte))
            }
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_posted_form_is_found_and_filled() {
        let page = r#"<form action="/search"><input name="q"></form>
            <form class=x METHOD='post' action="/a?b=1&amp;c=2" data-name="no">
            <input type="hidden" name="csrf" value="&#34;x&#39;"><input name=username autofocus/>
            <input name="password" type="password"><input type="submit" name="go" value="Go"></form>
            <form method="post" action="/other"></form>"#;
        let form = Form::find(page).expect("there is one");
        assert_eq!(form.action, "/a?b=1&c=2");
        let names: Vec<&str> = form.fields.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["csrf", "username", "password"]);
        let filled = form.fill(&[("username".into(), "a b".into()), ("more".into(), "é".into())]);
        assert_eq!(filled, "csrf=%22x%27&password=&username=a%20b&more=%C3%A9");
        assert_eq!(Form::find("<p>no form</p>"), None);
    }
}
