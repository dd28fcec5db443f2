//! Translated text, and how foreign text is let into it.

use std::{fmt, sync::LazyLock};

use fluent_bundle::{FluentArgs, FluentResource, FluentValue, concurrent::FluentBundle};

use crate::{device, lang::Lang, time::Minute};

/// Around each foreign value, by Fluent: FIRST STRONG ISOLATE and POP DIRECTIONAL ISOLATE.
const ISOLATE: char = '\u{2068}';
const END_ISOLATE: char = '\u{2069}';
/// No name a page shows is longer.
const MAX_FOREIGN_CHARS: usize = 120;
/// A longer name fills in no field: nobody's is.
const MAX_USERNAME_BYTES: usize = 256;

static BUNDLES: LazyLock<[FluentBundle<FluentResource>; 2]> = LazyLock::new(|| Lang::ALL.map(bundle));

pub(crate) fn source(lang: Lang) -> &'static str {
    match lang {
        Lang::En => include_str!("../locales/en.ftl"),
        Lang::De => include_str!("../locales/de.ftl"),
    }
}

fn bundle(lang: Lang) -> FluentBundle<FluentResource> {
    let tag = lang.tag().parse().expect("our own language tags are well formed");
    let mut bundle = FluentBundle::new_concurrent(vec![tag]);
    let resource = FluentResource::try_new(source(lang).into()).expect("a test parses our own translations");
    bundle.add_resource(resource).expect("a test finds no message twice");
    bundle
}

/// A voice: what pages say, in one language.
#[derive(Clone, Copy)]
pub(crate) struct Text(pub(crate) Lang);

impl Text {
    pub(crate) fn lang(self) -> &'static str {
        self.0.tag()
    }

    /// A message as it stands.
    pub(crate) fn text(self, key: &str) -> String {
        self.format(key, None)
    }

    /// A message with foreign values, for where markup cannot be: attributes and titles.
    pub(crate) fn plain(self, key: &str, values: &[(&str, &str)]) -> String {
        let mut args = FluentArgs::new();
        for (name, value) in values {
            args.set(*name, foreign(value));
        }
        self.format(key, Some(&args))
    }

    /// A message with foreign values, each in a `<bdi>` of its own.
    pub(crate) fn rich(self, key: &str, values: &[(&str, &str)]) -> Rich {
        Rich(self.plain(key, values))
    }

    /// A foreign value that stands alone.
    pub(crate) fn name(self, value: &str) -> Rich {
        Rich(format!("{ISOLATE}{}{END_ISOLATE}", foreign(value)))
    }

    /// A span of time to wait, as follows the word «in».
    pub(crate) fn wait(self, seconds: u64) -> String {
        let (key, count) = if seconds < 60 {
            ("wait-seconds", seconds.max(1))
        } else {
            ("wait-minutes", seconds.div_ceil(60))
        };
        self.ours(key, FluentArgs::from_iter([("count", FluentValue::from(count))]))
    }

    /// So many times.
    pub(crate) fn times(self, count: u8) -> String {
        self.ours("times", FluentArgs::from_iter([("count", FluentValue::from(count))]))
    }

    /// A date and a time of day, in UTC.
    pub(crate) fn time(self, unix_ms: i64) -> Rich {
        let at = Minute::of_unix_ms(unix_ms);
        let args = FluentArgs::from_iter([
            ("year", FluentValue::from(at.year.to_string())),
            ("month", FluentValue::from(at.month)),
            ("day", FluentValue::from(at.day.to_string())),
            ("clock", FluentValue::from(format!("{:02}:{:02}", at.hour, at.minute))),
        ]);
        Rich(self.ours("time", args))
    }

    /// What is behind a user agent, for its owner to recognise.
    pub(crate) fn device(self, user_agent: &str) -> String {
        match device::name(user_agent) {
            Some((browser, system)) => {
                self.ours("device", FluentArgs::from_iter([("browser", browser), ("system", system)]))
            }
            None if user_agent.is_empty() => self.text("device-unknown"),
            None => foreign(user_agent),
        }
    }

    /// A message whose values are ours too, and of one direction: nothing to isolate.
    fn ours(self, key: &str, args: FluentArgs<'_>) -> String {
        self.format(key, Some(&args)).replace([ISOLATE, END_ISOLATE], "")
    }

    /// A missing message shows as its key in brackets, which a test looks for on every page.
    fn format(self, key: &str, args: Option<&FluentArgs<'_>>) -> String {
        let bundle = &BUNDLES[self.0 as usize];
        let Some(pattern) = bundle.get_message(key).and_then(|message| message.value()) else {
            return format!("⟦{key}⟧");
        };
        bundle.format_pattern(pattern, args, &mut Vec::new()).into_owned()
    }
}

/// Text that others wrote, fit to be shown: without characters that steer its neighbours or hide, and not too long.
///
/// Escaping for HTML comes later, where it is written.
pub(crate) fn foreign(value: &str) -> String {
    let mut shown: String = value
        .chars()
        .take(MAX_FOREIGN_CHARS)
        .map(|c| match c {
            // Bidirectional controls (Unicode TR 9 §2), line breaks, zero-width space and mark, tags, fillers.
            '\u{061c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
                '\u{fffd}'
            }
            '\u{2028}' | '\u{2029}' | '\u{200b}' | '\u{feff}' | '\u{e0000}'..='\u{e007f}' => '\u{fffd}',
            '\u{115f}' | '\u{1160}' | '\u{3164}' | '\u{ffa0}' => '\u{fffd}',
            c if c.is_control() => '\u{fffd}',
            c => c,
        })
        .collect();
    if value.chars().nth(MAX_FOREIGN_CHARS).is_some() {
        shown.push('…');
    }
    shown
}

/// A username for a field, as it is: what is sent back must be what came.
pub(crate) fn prefilled(username: &str) -> &str {
    if username.len() <= MAX_USERNAME_BYTES { username } else { "" }
}

/// A translated sentence as HTML: escaped, with its foreign values in `<bdi>` elements.
///
/// [`foreign`] takes isolates out of values, so the ones here are Fluent's own, in pairs.
pub(crate) struct Rich(String);

impl Rich {
    /// Of sentences by [`Text::plain`], one after the other.
    pub(crate) fn of(sentences: String) -> Self {
        Self(sentences)
    }
}

impl askama::filters::HtmlSafe for Rich {}

impl fmt::Display for Rich {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use fmt::Write as _;
        for c in self.0.chars() {
            match c {
                ISOLATE => f.write_str("<bdi>")?,
                END_ISOLATE => f.write_str("</bdi>")?,
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                '\'' => f.write_str("&#39;")?,
                c => f.write_char(c)?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn xs1_a_foreign_value_stays_inside_its_element() {
        let text = Text(Lang::En);
        let hostile = "</bdi>\u{2069}<script>\u{202e}'\"&";
        let shown = text.name(hostile).to_string();
        assert_eq!(shown, "<bdi>&lt;/bdi&gt;\u{fffd}&lt;script&gt;\u{fffd}&#39;&quot;&amp;</bdi>");
        let sentence = text.rich("login-lead-client", &[("client", hostile)]).to_string();
        assert!(sentence.contains(&shown), "{sentence}");
    }

    #[test]
    fn xs2_a_name_without_end_is_cut() {
        assert_eq!(foreign(&"ä".repeat(1_000_000)).chars().count(), MAX_FOREIGN_CHARS + 1);
        assert_eq!(foreign(&"ä".repeat(MAX_FOREIGN_CHARS)).chars().count(), MAX_FOREIGN_CHARS);
    }

    #[test]
    fn scripts_that_need_joiners_are_left_alone() {
        let names = "👩\u{200d}🔬 می\u{200c}خواهم שלום";
        assert_eq!(foreign(names), names);
    }

    #[test]
    fn times_and_spans_follow_the_language() {
        for (lang, time, seconds, minute, minutes) in [
            (Lang::En, "24 November 2025, 04:42 UTC", "1 second", "1 minute", "3 minutes"),
            (Lang::De, "24. November 2025, 04:42 UTC", "1 Sekunde", "1 Minute", "3 Minuten"),
        ] {
            let text = Text(lang);
            assert_eq!(text.time(1_763_959_320_000).to_string(), time);
            assert_eq!(text.wait(0), seconds);
            assert_eq!(text.wait(60), minute);
            assert_eq!(text.wait(121), minutes);
        }
    }
}
