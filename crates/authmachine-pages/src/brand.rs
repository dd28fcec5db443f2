//! What an operator may make their own: the product's name and one colour.

use std::{fmt, str::FromStr};

/// Name and colour of an installation, from its configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Brand {
    /// Shown beside the mark and in every page's title.
    pub product_name: String,
    /// Buttons, links and the mark.
    pub accent: Accent,
}

impl Default for Brand {
    fn default() -> Self {
        Self { product_name: "AuthMachine".into(), accent: Accent([0x1d, 0x6b, 0x58]) }
    }
}

/// An opaque sRGB colour, written `#rrggbb` or `#rgb`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Accent([u8; 3]);

/// The text is no colour of the form `#rrggbb` or `#rgb`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AccentError;

impl fmt::Display for AccentError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a colour is written #rrggbb or #rgb, for example #1d6b58")
    }
}

impl std::error::Error for AccentError {}

impl FromStr for Accent {
    type Err = AccentError;

    fn from_str(text: &str) -> Result<Self, AccentError> {
        let digits: Vec<u8> = text
            .strip_prefix('#')
            .ok_or(AccentError)?
            .chars()
            .map(|c| c.to_digit(16).map(|digit| digit as u8).ok_or(AccentError))
            .collect::<Result<_, _>>()?;
        match digits[..] {
            [r, g, b] => Ok(Self([r * 17, g * 17, b * 17])),
            [r1, r0, g1, g0, b1, b0] => Ok(Self([r1 * 16 + r0, g1 * 16 + g0, b1 * 16 + b0])),
            _ => Err(AccentError),
        }
    }
}

impl fmt::Display for Accent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [r, g, b] = self.0;
        write!(f, "#{r:02x}{g:02x}{b:02x}")
    }
}

const BLACK: Accent = Accent([0, 0, 0]);
const WHITE: Accent = Accent([255, 255, 255]);
/// The backgrounds of `style.css` that are hardest to stand out from: the page by day, the card by night.
const LIGHT_SURFACE: Accent = Accent([0xf4, 0xf2, 0xec]);
const DARK_SURFACE: Accent = Accent([0x1d, 0x20, 0x24]);

/// The accent's shades in one colour scheme, each safe where it is used.
struct Palette {
    /// Behind a button's text: 3:1 against the surface (WCAG 2.2 §1.4.11).
    fill: Accent,
    /// The same under the pointer: further from the text on it.
    hover: Accent,
    /// A button's text, at least 4.5:1 against `fill` and `hover` (WCAG 2.2 §1.4.3).
    on: Accent,
    /// Links and focus rings: 5.5:1 against the surface, which leaves 4.5:1 on the wash under the pointer.
    ink: Accent,
}

impl Accent {
    /// The rule that gives the style sheet its colours, by day and by night.
    pub(crate) fn custom_properties(self) -> String {
        let rule = |surface, towards| {
            let Palette { fill, hover, on, ink } = self.palette(surface, towards);
            format!(":root{{--accent:{fill};--accent-hover:{hover};--on-accent:{on};--accent-ink:{ink}}}\n")
        };
        let (light, dark) = (rule(LIGHT_SURFACE, BLACK), rule(DARK_SURFACE, WHITE));
        format!("{light}@media (prefers-color-scheme:dark){{{dark}}}\n")
    }

    /// Black or white, whichever reads better on this colour: 4.58:1 at least.
    pub(crate) fn text_on(self) -> Accent {
        if self.contrast(WHITE) >= self.contrast(BLACK) { WHITE } else { BLACK }
    }

    fn palette(self, surface: Accent, towards: Accent) -> Palette {
        let fill = self.standing_out(surface, towards, 3.0);
        let on = fill.text_on();
        let away = if on == WHITE { BLACK } else { WHITE };
        Palette { fill, hover: fill.mixed(away, 0.14), on, ink: self.standing_out(surface, towards, 5.5) }
    }

    /// This colour, moved `towards` another only as far as it must to reach `ratio` against `surface`.
    fn standing_out(self, surface: Accent, towards: Accent, ratio: f64) -> Accent {
        (0..=50)
            .map(|step| self.mixed(towards, f64::from(step) / 50.0))
            .find(|shade| shade.contrast(surface) >= ratio)
            .unwrap_or(towards)
    }

    fn mixed(self, other: Accent, share: f64) -> Accent {
        let mix = |a: u8, b: u8| (f64::from(a) + (f64::from(b) - f64::from(a)) * share).round() as u8;
        let ([r, g, b], [x, y, z]) = (self.0, other.0);
        Accent([mix(r, x), mix(g, y), mix(b, z)])
    }

    /// Contrast ratio, 1 to 21 (WCAG 2.2, «contrast ratio»).
    fn contrast(self, other: Accent) -> f64 {
        let (a, b) = (self.luminance(), other.luminance());
        (a.max(b) + 0.05) / (a.min(b) + 0.05)
    }

    /// Relative luminance (WCAG 2.2, «relative luminance»).
    fn luminance(self) -> f64 {
        let linear = |channel: u8| {
            let c = f64::from(channel) / 255.0;
            if c <= 0.04045 { c / 12.92 } else { ((c + 0.055) / 1.055).powf(2.4) }
        };
        let [r, g, b] = self.0;
        0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIGHT_WASH: Accent = Accent([0xef, 0xec, 0xe4]);
    const DARK_WASH: Accent = Accent([0x27, 0x2b, 0x30]);

    #[test]
    fn a_colour_is_read_in_two_spellings_and_nothing_else() {
        assert_eq!("#1D6b58".parse(), Ok(Accent([0x1d, 0x6b, 0x58])));
        assert_eq!("#0f8".parse(), Ok(Accent([0, 255, 136])));
        for bad in ["", "#", "1d6b58", "#1d6b5", "#1d6b580", "#12345g", "red", "#fff;}", "#ééé", "#+1+1+1"]
        {
            assert_eq!(bad.parse::<Accent>(), Err(AccentError), "{bad}");
        }
        assert_eq!("#0f8".parse::<Accent>().unwrap().to_string(), "#00ff88");
    }

    #[test]
    fn contrast_is_that_of_wcag() {
        assert!((BLACK.contrast(WHITE) - 21.0).abs() < 1e-9);
        assert!((Accent([0x77; 3]).contrast(WHITE) - 4.478).abs() < 0.001);
    }

    #[test]
    fn every_accent_is_readable_by_day_and_by_night() {
        let steps = || (0..=255).step_by(15).map(|step| step as u8);
        for accent in steps().flat_map(|r| steps().flat_map(move |g| steps().map(move |b| Accent([r, g, b]))))
        {
            for (surface, towards, wash) in
                [(LIGHT_SURFACE, BLACK, LIGHT_WASH), (DARK_SURFACE, WHITE, DARK_WASH)]
            {
                let Palette { fill, hover, on, ink } = accent.palette(surface, towards);
                assert!(fill.contrast(surface) >= 3.0, "{accent}: {fill}");
                assert!(on.contrast(fill) >= 4.5 && on.contrast(hover) >= 4.5, "{accent}: {on} on {fill}");
                assert!(ink.contrast(surface) >= 4.5 && ink.contrast(wash) >= 4.5, "{accent}: {ink}");
            }
        }
    }

    #[test]
    fn the_surfaces_are_those_of_the_style_sheet() {
        let css = include_str!("../assets/style.css");
        assert!(css.contains(&format!("--paper: {LIGHT_SURFACE};")));
        assert!(css.contains(&format!("--card: {DARK_SURFACE};")));
        for wash in [LIGHT_WASH, DARK_WASH] {
            assert!(css.contains(&format!("--wash: {wash};")));
        }
    }
}
