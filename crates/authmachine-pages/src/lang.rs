//! Which language a page speaks.

/// A language that pages are written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Lang {
    /// English, spoken to whoever asks for nothing we have.
    #[default]
    En,
    /// German.
    De,
}

/// What is read of a request's wishes; more is cut off.
const MAX_WISHES: usize = 16;
const MAX_WISH_BYTES: usize = 512;

impl Lang {
    /// All languages.
    pub const ALL: [Lang; 2] = [Lang::En, Lang::De];

    /// The tag for `lang` attributes and the `Content-Language` header (BCP 47).
    pub fn tag(self) -> &'static str {
        match self {
            Self::En => "en",
            Self::De => "de",
        }
    }

    /// The language for a request: `ui_locales` in its order (OIDC Core §3.1.2.1), then `Accept-Language` by its
    /// weights (RFC 9110 §12.5.4), else English. A tag stands for its language: `de-AT` gets German (RFC 4647 §3.4).
    pub fn negotiate(ui_locales: Option<&str>, accept_language: Option<&str>) -> Self {
        let asked = bounded(ui_locales).split_ascii_whitespace().take(MAX_WISHES).find_map(Self::of_tag);
        asked.unwrap_or_else(|| {
            let mut wishes: Vec<(u16, &str)> =
                bounded(accept_language).split(',').take(MAX_WISHES).filter_map(weighted).collect();
            wishes.sort_by_key(|(weight, _)| std::cmp::Reverse(*weight)); // stable: equal weights keep their order
            wishes.into_iter().find_map(|(_, tag)| Self::of_tag(tag)).unwrap_or_default()
        })
    }

    fn of_tag(tag: &str) -> Option<Self> {
        let primary = tag.split('-').next()?;
        Self::ALL.into_iter().find(|lang| lang.tag().eq_ignore_ascii_case(primary))
    }
}

fn bounded(wishes: Option<&str>) -> &str {
    let wishes = wishes.unwrap_or_default();
    &wishes[..wishes.floor_char_boundary(MAX_WISH_BYTES)]
}

/// One member of `Accept-Language` and its weight in thousandths; `q=0` and nonsense are no wish.
fn weighted(wish: &str) -> Option<(u16, &str)> {
    let (tag, weight) = match wish.split_once(';') {
        None => (wish, 1.0),
        Some((tag, parameter)) => (tag, parameter.trim().strip_prefix("q=")?.parse::<f32>().ok()?),
    };
    (weight > 0.0 && weight <= 1.0).then(|| ((weight * 1000.0).round() as u16, tag.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_language_asked_for_that_we_speak_is_spoken() {
        for (ui_locales, accept_language, lang) in [
            (None, None, Lang::En),
            (None, Some("de"), Lang::De),
            (None, Some("de-AT,en;q=0.9"), Lang::De),
            (None, Some("en;q=0.4, fr, DE-ch;q=0.7"), Lang::De),
            (None, Some("de;q=0, en;q=0.1"), Lang::En),
            (None, Some("de;q=0"), Lang::En),
            (None, Some("de;q=2, en;q=0.1"), Lang::En),
            (None, Some("de;q=NaN"), Lang::En),
            (None, Some("*"), Lang::En),
            (None, Some("deu, den"), Lang::En),
            (Some("de"), Some("en"), Lang::De),
            (Some("fr-CA de-DE en"), Some("en"), Lang::De),
            (Some("fr"), Some("de"), Lang::De),
            (Some("  "), Some("de"), Lang::De),
            (Some("é€😀;,,q=;"), Some(";;q=,=,é-"), Lang::En),
        ] {
            assert_eq!(
                Lang::negotiate(ui_locales, accept_language),
                lang,
                "{ui_locales:?} {accept_language:?}"
            );
        }
    }

    #[test]
    fn wishes_without_end_are_cut_off() {
        let many = "fr,".repeat(100_000) + "de";
        assert_eq!(Lang::negotiate(None, Some(&many)), Lang::En);
        let long = format!("{} de", "é".repeat(100_000));
        assert_eq!(Lang::negotiate(Some(&long), None), Lang::En);
    }
}
