//! The few pages that this crate shows itself: errors, and the question before a logout.

use std::{fmt::Write as _, sync::LazyLock};

use authmachine_jose::sha256;
use base64ct::{Base64, Encoding};

use crate::Error;

/// What a page says. [`LoginBuilder::pages`](crate::LoginBuilder::pages) puts it into the application's own look.
///
/// Addresses may hold what the browser sent: escape them as any text.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Page<'a> {
    /// The heading.
    pub title: &'a str,
    /// A sentence or two.
    pub text: &'a str,
    /// What can be done about it.
    pub action: Action<'a>,
    /// What went wrong, if this is an error. Its own words are for the operator, who has them in the log.
    pub error: Option<&'a Error>,
    /// The sign-in that failed, as in [`Step::login_id`](crate::Step::login_id), if this browser came back from one.
    pub login_id: Option<&'a str>,
}

/// The one thing to do on a [`Page`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action<'a> {
    /// A link.
    Link {
        /// Its text.
        text: &'a str,
        /// Where it leads: a path of this application.
        href: &'a str,
    },
    /// A form of one button, sent by POST.
    Button {
        /// Its text.
        text: &'a str,
        /// `action` of the form: a path of this application.
        path: &'a str,
    },
}

const STYLE: &str = "\
:root{color-scheme:light dark}\
body{margin:0;min-height:100vh;display:grid;place-items:center;font:1rem/1.55 system-ui,sans-serif;\
background:#f4f2ec;color:#1d1f21}\
main{box-sizing:border-box;width:min(30rem,100% - 2rem);margin:1rem;padding:2rem;border-radius:14px;\
background:#fffefc;border:1px solid #dfdbd1}\
h1{margin:0 0 .5rem;font-size:1.5rem;line-height:1.25;text-wrap:balance}\
p{margin:0 0 1.5rem}form{margin:0}\
a,button{display:inline-block;font:inherit;font-weight:600;padding:.6rem 1.2rem;border:0;border-radius:8px;\
background:#1d1f21;color:#fffefc;text-decoration:none;cursor:pointer}\
:focus-visible{outline:3px solid #7a5a1e;outline-offset:3px}\
@media(prefers-color-scheme:dark){body{background:#131518;color:#eceae5}\
main{background:#1d2024;border-color:#33373c}a,button{background:#eceae5;color:#131518}\
:focus-visible{outline-color:#e0c080}}";

/// No script, no picture, no frame; one style, known by its hash. `form-action` is left out: browsers apply it to the
/// redirects that follow, and a logout ends at the provider.
pub(crate) static POLICY: LazyLock<String> = LazyLock::new(|| {
    let hash = Base64::encode_string(&sha256(STYLE.as_bytes()));
    format!("default-src 'none'; style-src 'sha256-{hash}'; base-uri 'none'; frame-ancestors 'none'")
});

/// The page in its plain look.
pub(crate) fn html(page: &Page<'_>) -> String {
    let (title, text) = (escaped(page.title), escaped(page.text));
    let mut html = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" \
         content=\"width=device-width, initial-scale=1\">\n<title>{title}</title>\n<style>{STYLE}</style>\n</head>\n\
         <body>\n<main>\n<h1>{title}</h1>\n<p>{text}</p>\n"
    );
    let _ = match page.action {
        Action::Link { text, href } => writeln!(html, "<a href=\"{}\">{}</a>", escaped(href), escaped(text)),
        Action::Button { text, path } => writeln!(
            html,
            "<form method=\"post\" action=\"{}\"><button>{}</button></form>",
            escaped(path),
            escaped(text)
        ),
    };
    html.push_str("</main>\n</body>\n</html>\n");
    html
}

fn escaped(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut html, c| {
        match c {
            '&' => html.push_str("&amp;"),
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '"' => html.push_str("&quot;"),
            '\'' => html.push_str("&#39;"),
            other => html.push(other),
        }
        html
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn xs1_addresses_are_escaped() {
        let page = Page {
            title: "T",
            text: "x < y",
            action: Action::Link { text: "Go", href: "/&#47;evil.example\"><script>'" },
            error: None,
            login_id: None,
        };
        let html = html(&page);
        assert!(
            html.contains("<a href=\"/&amp;#47;evil.example&quot;&gt;&lt;script&gt;&#39;\">Go</a>"),
            "{html}"
        );
        assert!(html.contains("<p>x &lt; y</p>"));
    }
}
