//! The forms of a page, as far as a person without a browser needs them.

use std::collections::BTreeMap;

/// A form that is posted: where to, and what its hidden fields hold.
#[derive(Debug)]
pub struct Form {
    /// Where it goes.
    pub action: String,
    /// Its hidden fields.
    pub fields: Vec<(String, String)>,
    /// Names of the fields that a person fills in.
    pub open: Vec<String>,
}

/// All forms with `method="post"`.
pub fn post_forms(page: &str) -> Vec<Form> {
    page.split("<form")
        .skip(1)
        .filter_map(|rest| {
            let (tag, body) = rest.split_once('>')?;
            let form = attributes(tag);
            let is_post = form.get("method").is_some_and(|method| method.eq_ignore_ascii_case("post"));
            let mut found = is_post.then(|| Form {
                action: form.get("action").cloned().unwrap_or_default(),
                fields: Vec::new(),
                open: Vec::new(),
            })?;
            let body = body.split("</form").next().unwrap_or_default();
            for input in body.split("<input").skip(1) {
                let input = attributes(input.split('>').next().unwrap_or_default());
                let Some(name) = input.get("name").cloned() else { continue };
                match input.get("type").map(String::as_str) {
                    Some("hidden") => {
                        found.fields.push((name, input.get("value").cloned().unwrap_or_default()))
                    }
                    Some("submit" | "button") => {}
                    _ => found.open.push(name),
                }
            }
            Some(found)
        })
        .collect()
}

/// The attributes of a tag whose values stand in double quotes, as those of our pages and Flask's do.
fn attributes(tag: &str) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut rest = tag;
    while let Some((name, after)) = rest.split_once("=\"") {
        let Some((value, next)) = after.split_once('"') else { break };
        let name = name.rsplit(char::is_whitespace).next().unwrap_or_default();
        found.insert(name.to_ascii_lowercase(), unescape(value));
        rest = next;
    }
    found
}

/// Character references, by number and the five names.
pub fn unescape(text: &str) -> String {
    let mut plain = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('&') {
        plain.push_str(before);
        let decoded = after.split_once(';').and_then(|(name, next)| Some((character(name)?, next)));
        let (character, next) = decoded.unwrap_or(('&', after));
        plain.push(character);
        rest = next;
    }
    plain + rest
}

fn character(name: &str) -> Option<char> {
    match name {
        "amp" => Some('&'),
        "lt" => Some('<'),
        "gt" => Some('>'),
        "quot" => Some('"'),
        "apos" => Some('\''),
        _ => {
            let number = name.strip_prefix('#')?;
            let number = match number.strip_prefix(['x', 'X']) {
                Some(hex) => u32::from_str_radix(hex, 16).ok()?,
                None => number.parse().ok()?,
            };
            char::from_u32(number)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_are_read_as_a_browser_would() {
        let forms = post_forms(
            r#"<form action="/search"><input name="q"></form>
            <form method="POST" action="/a?b=1&amp;c=2"><input type="hidden" name="csrf" value="&#34;x&#x26;&quot;">
            <input name="username" required><input type="password" name="password"><input type="submit" name="go"></form>
            <form method="post"></form>"#,
        );
        assert_eq!(forms.len(), 2);
        assert_eq!(forms[0].action, "/a?b=1&c=2");
        assert_eq!(forms[0].fields, [("csrf".to_owned(), "\"x&\"".to_owned())]);
        assert_eq!(forms[0].open, ["username", "password"]);
        assert_eq!(unescape("a&b &nothing; &#60;"), "a&b &nothing; <");
    }
}
