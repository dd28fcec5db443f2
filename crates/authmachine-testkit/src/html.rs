//! Forms of our own pages, read as a browser reads them. The pages are ours, so this is no parser for the web.

/// A form on a page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Form {
    /// Where it goes.
    pub action: String,
    /// `post` or `get`.
    pub method: String,
    /// Its inputs by name, with the value they have on the page.
    pub fields: Vec<(String, String)>,
    /// Its buttons by name; pressing one sends its value.
    pub buttons: Vec<(String, String)>,
}

/// The forms of a page, in order.
pub fn forms(html: &str) -> Vec<Form> {
    let mut forms = Vec::new();
    for part in html.split("<form").skip(1) {
        let (tag, rest) = part.split_once('>').unwrap_or((part, ""));
        let inner = rest.split("</form>").next().unwrap_or_default();
        let named = |element: &str| -> Vec<(String, String)> {
            inner
                .split(&format!("<{element} "))
                .skip(1)
                .filter_map(|part| {
                    let tag = part.split('>').next()?;
                    Some((attribute(tag, "name")?, attribute(tag, "value").unwrap_or_default()))
                })
                .collect()
        };
        forms.push(Form {
            action: attribute(tag, "action").unwrap_or_default(),
            method: attribute(tag, "method").unwrap_or_else(|| "get".to_owned()),
            fields: named("input"),
            buttons: named("button"),
        });
    }
    forms
}

/// An attribute's value in a tag.
fn attribute(tag: &str, name: &str) -> Option<String> {
    let start = tag
        .find(&format!(" {name}=\""))
        .map(|at| at + name.len() + 3)
        .or_else(|| tag.starts_with(&format!("{name}=\"")).then_some(name.len() + 2))?;
    Some(unescape(tag[start..].split('"').next()?))
}

/// What a person reads of a page: without tags and character references.
pub(crate) fn text(html: &str) -> String {
    html.split('<').map(|part| unescape(part.split_once('>').map_or(part, |(_, text)| text))).collect()
}

/// Text without its character references.
pub fn unescape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('&') {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let end = rest.find(';').unwrap_or(0);
        let named = rest.get(1..end).unwrap_or_default();
        let character = match named {
            "amp" => Some('&'),
            "lt" => Some('<'),
            "gt" => Some('>'),
            "quot" => Some('"'),
            _ => {
                let number = named.strip_prefix('#').unwrap_or("x");
                match number.strip_prefix(['x', 'X']) {
                    Some(hex) => u32::from_str_radix(hex, 16).ok(),
                    None => number.parse().ok(),
                }
                .and_then(char::from_u32)
            }
        };
        match character {
            Some(character) => {
                out.push(character);
                rest = &rest[end + 1..];
            }
            None => {
                out.push('&');
                rest = &rest[1..];
            }
        }
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_is_read_with_its_fields_and_buttons() {
        let page = r#"<p>x</p><form method="post" action="/a?b&amp;c"><input type="hidden" name="csrf" value="&#60;&#x3e;&quot;">
            <div><input id="u" name="username" type="text" required></div><button type="submit" name="decision" value="yes">Go</button></form>
            <form method="post" action="/b"></form>"#;
        let forms = forms(page);
        assert_eq!(forms.len(), 2);
        assert_eq!(forms[0].action, "/a?b&c");
        assert_eq!(
            forms[0].fields,
            [("csrf".to_owned(), "<>\"".to_owned()), ("username".to_owned(), String::new())]
        );
        assert_eq!(forms[0].buttons, [("decision".to_owned(), "yes".to_owned())]);
        assert_eq!(unescape("a & b &amp; &nope; &#228;"), "a & b & &nope; ä");
        assert_eq!(text("<p>Hello, <bdi>A&#60;b&#62;</bdi>!</p>"), "Hello, A<b>!");
    }
}
