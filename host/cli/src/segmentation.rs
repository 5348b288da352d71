//! How windows are shown: a list, the running text as in the paper's Figure 2, or JSON.

use std::io::Write;

use anyhow::{Context, Result};
use equalinfo_codec::WindowBits;
use serde_json::json;

use super::messages::counted;

/// How windows are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// A line a window.
    List { colored: bool },
    /// The running text, windows in alternating colours or between bars.
    Flow { colored: bool },
    /// An object a window.
    Json,
}

/// Backgrounds of neighbouring windows, under black letters.
const COLORS: [&str; 4] = ["\x1b[30;48;5;153m", "\x1b[30;48;5;223m", "\x1b[30;48;5;157m", "\x1b[30;48;5;219m"];
const PLAIN: &str = "\x1b[0m";

/// Shows windows one after the other.
pub struct WindowView {
    style: Style,
    bits: WindowBits,
    token_bits: u32,
    left: u64,
    number: u64,
    offset: u64,
}

impl WindowView {
    /// A view of windows of `bits` bits, as tokens of `token_bits`, that ends after `limit` windows.
    pub fn new(style: Style, bits: WindowBits, token_bits: u32, limit: Option<u64>) -> Self {
        Self { style, bits, token_bits, left: limit.unwrap_or(u64::MAX), number: 0, offset: 0 }
    }

    /// Goes on at another window and place in the text, where a block begins.
    pub fn start_block(&mut self, number: u64, offset: u64) {
        (self.number, self.offset) = (number, offset);
    }

    /// Shows a window; false when no more are wanted.
    ///
    /// # Errors
    /// The output cannot be written.
    pub fn window(&mut self, output: &mut impl Write, value: u128, text: &[u8]) -> Result<bool> {
        if self.left == 0 {
            return Ok(false);
        }
        self.left -= 1;
        let color = COLORS[(self.number % COLORS.len() as u64) as usize];
        match self.style {
            Style::Flow { colored } => flow(output, text, colored.then_some(color)),
            Style::List { colored } => {
                let shown = visible(text, false);
                let (before, after) = if colored { (color, PLAIN) } else { ("", "") };
                let tokens: Vec<String> = self.tokens(value).iter().map(u32::to_string).collect();
                let (number, offset) = (self.number, self.offset);
                writeln!(
                    output,
                    "{number:>8} {offset:>10}  {}  {:>11}  {before}{shown}{after}",
                    self.bit_string(value),
                    tokens.join(" ")
                )
            }
            Style::Json => writeln!(
                output,
                "{}",
                json!({
                    "window": self.number,
                    "offset": self.offset,
                    "length": text.len(),
                    "text": String::from_utf8_lossy(text),
                    "bytes": hexadecimal(text),
                    "bits": self.bit_string(value),
                    "tokens": self.tokens(value),
                })
            ),
        }
        .context("(stdout): cannot write")?;
        self.number += 1;
        self.offset += text.len() as u64;
        Ok(true)
    }

    /// Shows a block that has no windows.
    ///
    /// # Errors
    /// The output cannot be written.
    pub fn stored(&mut self, output: &mut impl Write, text: &[u8]) -> Result<()> {
        match self.style {
            Style::Json => {
                writeln!(output, "{}", json!({ "offset": self.offset, "length": text.len(), "stored": true }))
            }
            _ => writeln!(output, "[{} stored without windows]", counted(text.len() as u64, "byte")),
        }
        .context("(stdout): cannot write")
    }

    /// Ends the view.
    ///
    /// # Errors
    /// The output cannot be written.
    pub fn finish(&self, output: &mut impl Write) -> Result<()> {
        if matches!(self.style, Style::Flow { .. }) {
            writeln!(output).context("(stdout): cannot write")?;
        }
        Ok(())
    }

    fn bit_string(&self, value: u128) -> String {
        format!("{value:0width$b}", width = self.bits.bits() as usize)
    }

    /// The window's bits as tokens, most significant first; the last one of a width that does not divide the window is padded with zeros.
    fn tokens(&self, value: u128) -> Vec<u32> {
        let bytes = value.to_be_bytes();
        let bytes = &bytes[bytes.len() - self.bits.bytes()..];
        let token = |bytes: &[u8]| match (self.token_bits, bytes) {
            (8, &[byte]) => u32::from(byte),
            (_, &[high, low]) => u32::from(u16::from_be_bytes([high, low])),
            (_, bytes) => u32::from(bytes.first().copied().unwrap_or(0)) << 8,
        };
        bytes.chunks(self.token_bits as usize / 8).map(token).collect()
    }
}

/// A window of the running text: lines end where the text's do, and its own bars are not taken for a window's end.
fn flow(output: &mut impl Write, text: &[u8], color: Option<&str>) -> std::io::Result<()> {
    for line in text.split_inclusive(|&byte| byte == b'\n') {
        let shown = visible(line, color.is_none());
        match color {
            Some(color) => write!(output, "{color}{shown}{PLAIN}")?,
            None => write!(output, "{shown}")?,
        }
        if line.ends_with(b"\n") {
            writeln!(output)?;
        }
    }
    if color.is_none() { write!(output, "|") } else { Ok(()) }
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Text with everything visible: spaces, line ends, control characters, and bytes that are no UTF-8 on their own;
/// between bars, those of the text and what marks them.
fn visible(text: &[u8], between_bars: bool) -> String {
    let mut shown = String::with_capacity(text.len());
    for chunk in text.utf8_chunks() {
        for character in chunk.valid().chars() {
            match character {
                ' ' => shown.push('\u{b7}'),
                '\n' => shown.push('\u{21b5}'),
                '\t' => shown.push('\u{2192}'),
                '|' | '\\' if between_bars => shown.extend(['\\', character]),
                control if control.is_control() => shown.extend(control.escape_default()),
                other => shown.push(other),
            }
        }
        for byte in chunk.invalid() {
            shown.push_str(&format!("\\x{byte:02x}"));
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_is_visible() {
        assert_eq!(visible("a b\n\tc\r\u{e9}".as_bytes(), false), "a\u{b7}b\u{21b5}\u{2192}c\\r\u{e9}");
        assert_eq!(visible(b"\xc3", false), "\\xc3");
        assert_eq!((visible(b"a|\\", false), visible(b"a|\\", true)), ("a|\\".into(), "a\\|\\\\".into()));
        assert_eq!(hexadecimal(b"\xc3 "), "c320");
    }

    #[test]
    fn tokens_are_the_bits_from_the_top() {
        let tokens = |bits, token_bits, value| WindowView::new(Style::Json, bits, token_bits, None).tokens(value);
        assert_eq!(tokens(WindowBits::B16, 8, 0b1111_0000_1111_0011), [240, 243]);
        assert_eq!(tokens(WindowBits::B16, 16, 0xf0f3), [0xf0f3]);
        assert_eq!(tokens(WindowBits::B32, 16, 0x0102_0304), [0x0102, 0x0304]);
        assert_eq!(tokens(WindowBits::B24, 16, 0x01_0203), [0x0102, 0x0300]);
    }

    #[test]
    fn windows_alternate_and_end_at_the_limit() {
        let mut view = WindowView::new(Style::Flow { colored: false }, WindowBits::B16, 16, Some(2));
        let mut output = Vec::new();
        assert!(view.window(&mut output, 1, b"The th").expect("memory"));
        assert!(view.window(&mut output, 2, b"r|e\ne").expect("memory"));
        assert!(!view.window(&mut output, 3, b"!").expect("memory"));
        view.finish(&mut output).expect("memory");
        assert_eq!(String::from_utf8(output).expect("UTF-8"), "The\u{b7}th|r\\|e\u{21b5}\ne|\n");
    }
}
