//! The same text laid out in another way.
//!
//! Web text has one line a paragraph and bare line feeds. Files on disks also have CR LF line ends, lines wrapped at a column, indented paragraphs and blank
//! lines between them, and a model that never saw those pays dearly for each. So some training contexts are laid out anew, as a seeded
//! generator decides.

use equalinfo::random::Random;

/// How a text is laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reflow {
    /// What ends a line.
    line_end: &'static [u8],
    /// Column that lines are wrapped at.
    width: Option<usize>,
    /// Spaces ahead of every line.
    margin: usize,
    /// Spaces more ahead of a paragraph's first line.
    indent: usize,
    /// A blank line after each paragraph.
    blank_lines: bool,
}

impl Reflow {
    /// One of the layouts that files have: half with CR LF, two thirds wrapped.
    pub fn random(random: &mut Random) -> Self {
        let chance = |random: &mut Random, share: f32| random.uniform() < share;
        let wrapped = chance(random, 0.67);
        let crlf = if wrapped { chance(random, 0.5) } else { chance(random, 0.75) };
        Self {
            line_end: if crlf { b"\r\n" } else { b"\n" },
            width: wrapped.then(|| 58 + random.below(24)),
            margin: if chance(random, 0.2) { 1 + random.below(8) } else { 0 },
            indent: if wrapped && chance(random, 0.4) { 1 + random.below(5) } else { 0 },
            blank_lines: chance(random, 0.6),
        }
    }

    /// About the first `length` bytes of `text` in this layout. A line feed ends a paragraph.
    pub fn apply(self, text: &[u8], length: usize) -> Vec<u8> {
        let mut out = Vec::with_capacity(length + 256);
        for paragraph in text.split_inclusive(|byte| *byte == b'\n') {
            if out.len() >= length {
                break;
            }
            let ended = paragraph.last() == Some(&b'\n');
            let words = paragraph.strip_suffix(b"\n").unwrap_or(paragraph);
            let words = words.strip_suffix(b"\r").unwrap_or(words);
            if !words.is_empty() {
                self.paragraph(words, &mut out);
            }
            if ended {
                out.extend(self.line_end);
                if self.blank_lines && !words.is_empty() {
                    out.extend(self.line_end);
                }
            }
        }
        out
    }

    /// The lines of one paragraph, without the end of the last.
    fn paragraph(self, words: &[u8], out: &mut Vec<u8>) {
        let mut column = self.margin + self.indent;
        out.extend(std::iter::repeat_n(b' ', column));
        for (index, word) in words.split(|byte| *byte == b' ').enumerate() {
            // As editors wrap: in place of the space ahead of the word that doesn't fit.
            if index > 0 && self.width.is_some_and(|width| column + 1 + word.len() > width) {
                out.extend(self.line_end);
                out.extend(std::iter::repeat_n(b' ', self.margin));
                column = self.margin;
            } else if index > 0 {
                out.push(b' ');
                column += 1;
            }
            out.extend(word);
            column += word.len();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Reflow = Reflow { line_end: b"\n", width: None, margin: 0, indent: 0, blank_lines: false };

    #[test]
    fn layouts() {
        let text = b"one two three four\n\nfive six";
        let laid = |layout: Reflow| String::from_utf8(layout.apply(text, 100)).unwrap();
        assert_eq!(laid(PLAIN), "one two three four\n\nfive six");
        assert_eq!(laid(Reflow { line_end: b"\r\n", ..PLAIN }), "one two three four\r\n\r\nfive six");
        assert_eq!(laid(Reflow { width: Some(9), ..PLAIN }), "one two\nthree\nfour\n\nfive six");
        assert_eq!(
            laid(Reflow { width: Some(10), margin: 1, indent: 2, ..PLAIN }),
            "   one two\n three\n four\n\n   five\n six"
        );
        assert_eq!(laid(Reflow { blank_lines: true, ..PLAIN }), "one two three four\n\n\nfive six");
        assert!(PLAIN.apply(&text.repeat(10), 40).len() < 80);
    }

    #[test]
    fn words_stay() {
        let mut random = Random::new(5);
        let text =
            b"The quick brown fox jumps over the lazy dog, \xc3\xa9t\xc3\xa9 after \xc3\xa9t\xc3\xa9.\r\nAnd so on.\n"
                .repeat(9);
        let words = |text: &[u8]| -> Vec<Vec<u8>> {
            text.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty()).map(<[u8]>::to_vec).collect()
        };
        for _ in 0..100 {
            let laid = Reflow::random(&mut random).apply(&text, 1 << 20);
            assert_eq!(words(&laid), words(&text));
        }
    }
}
