//! Text that others wrote, made fit to be shown: harmless to what stands beside it, and bounded.
//!
//! Escaping for HTML comes later, where it is written.

use std::io;

use serde::Serialize as _;
use serde_json::{Serializer, Value, ser::Formatter};

/// How many bytes of HTML the text of others may still take.
#[derive(Clone, Debug)]
pub(crate) struct Budget(usize);

impl Budget {
    pub(crate) fn new(bytes: usize) -> Self {
        Self(bytes)
    }

    pub(crate) fn left(&self) -> usize {
        self.0
    }

    /// Takes `bytes` for markup of our own; `false` if there are too few left.
    pub(crate) fn spend(&mut self, bytes: usize) -> bool {
        let enough = self.0 >= bytes;
        if enough {
            self.0 -= bytes;
        }
        enough
    }

    /// One line: as much of `text` as takes `most` bytes.
    pub(crate) fn line(&mut self, text: &str, most: usize) -> String {
        self.cut(text, most, |c| c.is_control() || steers(c))
    }

    /// A JSON value, indented: as much of it as takes `most` bytes.
    pub(crate) fn json(&mut self, value: &Value, most: usize) -> String {
        let mut written = Bounded { text: Vec::new(), room: most.min(self.0) };
        // It fails when there is no more room, and only then: the value is one already.
        let mut writer = Serializer::with_formatter(&mut written, Indented::default());
        let whole = value.serialize(&mut writer).is_ok();
        let mut text = String::from_utf8_lossy(&written.text).into_owned();
        if !whole {
            // One more than fits, so that it is marked as cut below.
            text.push_str(&" ".repeat(written.room + 1));
        }
        self.cut(&text, most, |c| c.is_control() && c != '\n' || steers(c))
    }

    /// A JSON value in one line; a string without its quotes.
    pub(crate) fn value(&mut self, value: &Value, most: usize) -> String {
        match value {
            Value::String(text) => self.line(text, most),
            Value::Array(_) | Value::Object(_) => {
                let mut written = Bounded { text: Vec::new(), room: most.min(self.0) + 1 };
                let _ = serde_json::to_writer(&mut written, value);
                self.line(&String::from_utf8_lossy(&written.text), most)
            }
            short => self.line(&short.to_string(), most),
        }
    }

    fn cut(&mut self, text: &str, most: usize, is_unfit: impl Fn(char) -> bool) -> String {
        let most = most.min(self.0);
        let mut shown = String::new();
        let mut bytes = 0;
        // Where to cut so that the mark fits as well.
        let mut safe_end = 0;
        for c in text.chars() {
            let c = if is_unfit(c) { char::REPLACEMENT_CHARACTER } else { c };
            let takes = html_bytes(c);
            if bytes + takes > most {
                shown.truncate(safe_end);
                if most >= CUT.len() {
                    shown.push_str(CUT);
                }
                self.0 -= shown.chars().map(html_bytes).sum::<usize>();
                return shown;
            }
            shown.push(c);
            bytes += takes;
            if bytes + CUT.len() <= most {
                safe_end = shown.len();
            }
        }
        self.0 -= bytes;
        shown
    }
}

/// Stands where text was cut.
const CUT: &str = "…";

/// The bytes of one character as HTML: askama writes `<>&"'` as `&#60;` and so on.
fn html_bytes(c: char) -> usize {
    if matches!(c, '<' | '>' | '&' | '"' | '\'') { 5 } else { c.len_utf8() }
}

/// Characters that steer the writing direction of their neighbours, break lines, or hide.
fn steers(c: char) -> bool {
    matches!(
        c,
        // Bidirectional controls (Unicode TR 9 §2), line breaks, zero-width space and mark, tags, fillers.
        '\u{061c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
            | '\u{2028}' | '\u{2029}' | '\u{200b}' | '\u{feff}' | '\u{e0000}'..='\u{e007f}'
            | '\u{115f}' | '\u{1160}' | '\u{3164}' | '\u{ffa0}'
    )
}

/// A line for each member of an object, and none for the items of an array: metadata are mostly lists of words.
#[derive(Default)]
struct Indented {
    depth: usize,
    has_members: bool,
}

impl Indented {
    fn line(&self, writer: &mut (impl io::Write + ?Sized)) -> io::Result<()> {
        writer.write_all(b"\n")?;
        (0..self.depth).try_for_each(|_| writer.write_all(b"  "))
    }
}

impl Formatter for Indented {
    fn begin_array_value<W: io::Write + ?Sized>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        if first { Ok(()) } else { writer.write_all(b", ") }
    }

    fn begin_object<W: io::Write + ?Sized>(&mut self, writer: &mut W) -> io::Result<()> {
        self.depth += 1;
        self.has_members = false;
        writer.write_all(b"{")
    }

    fn end_object<W: io::Write + ?Sized>(&mut self, writer: &mut W) -> io::Result<()> {
        self.depth -= 1;
        if self.has_members {
            self.line(writer)?;
        }
        writer.write_all(b"}")
    }

    fn begin_object_key<W: io::Write + ?Sized>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        if !first {
            writer.write_all(b",")?;
        }
        self.line(writer)
    }

    fn begin_object_value<W: io::Write + ?Sized>(&mut self, writer: &mut W) -> io::Result<()> {
        writer.write_all(b": ")
    }

    fn end_object_value<W: io::Write + ?Sized>(&mut self, _: &mut W) -> io::Result<()> {
        self.has_members = true;
        Ok(())
    }
}

/// Takes `room` bytes and then refuses, so that indenting a deep value does not fill the memory.
struct Bounded {
    text: Vec<u8>,
    room: usize,
}

impl io::Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = bytes.len().min(self.room);
        if taken == 0 && !bytes.is_empty() {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.text.extend_from_slice(&bytes[..taken]);
        self.room -= taken;
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn line(text: &str, most: usize) -> String {
        Budget::new(10_000).line(text, most)
    }

    #[test]
    fn text_is_cut_by_what_it_takes_as_html() {
        assert_eq!(line("alice", 5), "alice");
        assert_eq!(line("alice1", 5), "al…");
        assert_eq!(line("ääääää", 9), "äää…");
        assert_eq!(line("<<<<", 20), "<<<<");
        assert_eq!(line("<<<<<", 20), "<<<…");
        assert_eq!(line("ab", 1), "");
        assert_eq!(line("", 0), "");
    }

    #[test]
    fn a_budget_is_spent_once() {
        let mut budget = Budget::new(10);
        assert_eq!(budget.line("12345678", 100), "12345678");
        assert_eq!(budget.line("12345678", 100), "");
        assert!(!budget.spend(3) && budget.spend(2) && !budget.spend(1));
        assert_eq!((budget.line("x", 5).as_str(), budget.left()), ("", 0));
    }

    #[test]
    fn xs2_no_text_steers_its_neighbours() {
        assert_eq!(
            line("a\u{202e}b\u{2066}\0\r\n\u{2028}\u{feff}\u{e0041}", 99),
            "a\u{fffd}b".to_owned() + &"\u{fffd}".repeat(7)
        );
        let names = "👩\u{200d}🔬 می\u{200c}خواهم שלום";
        assert_eq!(line(names, 99), names, "scripts that need joiners are left alone");
        let json = Budget::new(999).json(&json!({"a\u{202e}": "b\u{2069}\n"}), 999);
        assert_eq!(json, "{\n  \"a\u{fffd}\": \"b\u{fffd}\\n\"\n}");
    }

    #[test]
    fn json_is_cut_however_deep_it_is() {
        let deep = (0..120).fold(json!(vec![1; 1_000]), |value, _| json!([value]));
        for most in [0, 1, 2, 3, 4, 100, 3_000] {
            let shown = Budget::new(9_999).json(&deep, most);
            assert!(shown.len() <= most && (most < 3 || shown.ends_with('…')), "{most}: {}", shown.len());
            assert!(Budget::new(9_999).value(&deep, most).len() <= most);
        }
        for (value, shown) in [
            (json!({"a": [1, "ä"], "b": {}}), "{\n  \"a\": [1, \"ä\"],\n  \"b\": {}\n}"),
            (json!([{"a": {}}, {"b": [{}]}]), "[{\n  \"a\": {}\n}, {\n  \"b\": [{}]\n}]"),
            (
                json!({"a": {"b": {"c": null}}}),
                "{\n  \"a\": {\n    \"b\": {\n      \"c\": null\n    }\n  }\n}",
            ),
            (json!([]), "[]"),
            (json!("x"), "\"x\""),
        ] {
            assert_eq!(Budget::new(999).json(&value, 999), shown);
        }
        assert_eq!(Budget::new(99).value(&json!({"a": [1, "ä"]}), 99), "{\"a\":[1,\"ä\"]}");
        assert_eq!(Budget::new(99).value(&json!("a\"b"), 99), "a\"b");
        assert_eq!(Budget::new(99).value(&json!(null), 99), "null");
    }
}
