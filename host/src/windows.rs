//! How text is cut into windows: a [`Segmentation`] says where they end, a [`Cutter`] makes those that start anew a
//! byte at a time.
//!
//! Whatever a window of the default code holds, its beginnings are windows too, and a decoder takes them as they come.
//! So an encoder may close one early, where the next one reaches further than it would otherwise: flexible parsing,
//! which for dictionaries that hold the beginnings of their texts makes the fewest windows if every end is tried
//! (Matias and Sahinalp, "On the optimality of parsing in dynamic dictionary based data compression", SODA 1999). Here
//! the last ones are, and most of them not to the end of the next window: of two windows that hold the same
//! byte, one that has much less [room](WindowEncoder::room) left than the other will hardly overtake it.

use equalinfo_codec::lexicon::Lexicon;
use equalinfo_codec::window::{Window, WindowEncoder};
use equalinfo_codec::{ByteModel, WindowBits, WindowCode};

/// Ends of a window that [`Encoding::Flexible`] tries. On English text of nano 4, 8 and 16 of them save 3.0, 3.1 and
/// 3.1% of the windows of 16 bits, where most texts have a lexicon and ends cost next to nothing.
fn tries(bits: WindowBits) -> usize {
    if bits == WindowBits::B16 { 8 } else { 4 }
}

/// Bits of room that the window after an earlier end may lack, at a byte that both hold, to the best one so far: this
/// many at the first byte after the furthest end, one less with every byte, down to 1. More knowledge of the bytes
/// before makes up for that, but not for more.
const MOST_BEHIND: usize = 8;

/// How an encoder fills windows.
///
/// ```
/// use equalinfo::windows::Encoding;
/// use equalinfo::WindowCode;
///
/// assert_eq!(Encoding::from_name("flexible"), Some(Encoding::Flexible));
/// assert_eq!(Encoding::Flexible.code(), WindowCode::Default);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// Each window holds as many bytes as fit.
    Greedy(WindowCode),
    /// The default code, each window closed where the next one reaches furthest.
    Flexible,
}

impl Encoding {
    /// Its name in manifests and reports: `default`, `paper`, `delay` or `flexible`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Flexible => "flexible",
            Self::Greedy(WindowCode::Paper) => "paper",
            Self::Greedy(WindowCode::Delay) => "delay",
            Self::Greedy(_) => "default",
        }
    }

    /// The encoding of a name that [`Self::name`] gives; `None` for any other.
    pub fn from_name(name: &str) -> Option<Self> {
        let greedy = [WindowCode::Default, WindowCode::Paper, WindowCode::Delay].map(Self::Greedy);
        greedy.into_iter().chain([Self::Flexible]).find(|encoding| encoding.name() == name)
    }

    /// Bytes of text from which on building the [lexicon](crate::lexicon) of a model pays: it then makes the windows
    /// sooner than the model would. `None`: lexicons have no such windows.
    ///
    /// Building takes the time of 100 to 150 KB in greedy windows, whatever the model.
    pub fn lexicon_pays_from(self, bits: WindowBits) -> Option<usize> {
        match self {
            _ if bits != WindowBits::B16 => None,
            Self::Greedy(WindowCode::Default) => Some(1 << 18),
            Self::Greedy(_) => None,
            Self::Flexible => Some(1 << 16),
        }
    }

    /// The code that decodes the windows.
    pub fn code(self) -> WindowCode {
        match self {
            Self::Greedy(code) => code,
            Self::Flexible => WindowCode::Default,
        }
    }
}

/// When the model's context is emptied: the paper's Table 9. The coder's interval restarts with every window in any
/// case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "kebab-case"))]
pub enum Reset {
    /// At every window: windows decode alone
    #[default]
    Every,
    /// At every other window
    EveryOther,
    /// Only where a text begins
    Never,
}

/// Where windows prefer to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "kebab-case"))]
pub enum Align {
    /// Where they are full
    #[default]
    None,
    /// Before the word that does not fit whole, so that a word has fewer codings; a word longer than a window is cut
    Word,
}

/// How a text is cut into windows.
///
/// ```
/// use equalinfo::windows::{Encoding, Segmentation};
/// use equalinfo::{ByteFrequencies, WindowBits, WindowCode};
///
/// let english = ByteFrequencies::english();
/// let segmentation = Segmentation::new(WindowBits::B32, Encoding::Greedy(WindowCode::Default), 64);
/// let windows = segmentation.cut(&mut english.session(), usize::MAX, b"It was the best of times");
/// assert_eq!(windows.ends().last(), Some(24));
/// assert_eq!(windows.code.len(), 4 * windows.lengths.len());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Segmentation {
    /// Bits in a window.
    pub bits: WindowBits,
    /// How windows are filled.
    pub encoding: Encoding,
    /// The most bytes that the model sees, and that a window which starts anew holds.
    pub context: usize,
    /// When the context is emptied.
    pub reset: Reset,
    /// Where windows prefer to end.
    pub align: Align,
}

impl Segmentation {
    /// Windows that start from an empty context and end where they are full, as in streams.
    pub fn new(bits: WindowBits, encoding: Encoding, context: usize) -> Self {
        Self { bits, encoding, context, reset: Reset::Every, align: Align::None }
    }

    /// Whether every window starts from an empty context, where the one before ended.
    pub fn starts_anew(&self) -> bool {
        self.reset == Reset::Every && self.align == Align::None
    }

    /// The windows of a text, until they have `wanted` bytes or the text ends.
    pub fn cut(&self, model: &mut impl ByteModel, wanted: usize, text: &[u8]) -> Segments {
        if self.starts_anew() {
            return Cutter::new((self.bits, self.encoding), self.context, wanted, text).cut(model);
        }
        let mut windows = Segments::new(self.bits);
        let mut taken = 0;
        model.reset();
        while taken < text.len() && windows.code.len() < wanted {
            let starts_anew = match self.reset {
                Reset::Every => true,
                Reset::EveryOther => windows.lengths.len().is_multiple_of(2),
                Reset::Never => windows.lengths.is_empty(),
            };
            let rest = &text[taken..];
            let mut window = self.window(model, rest, starts_anew);
            if self.align == Align::Word && starts_anew {
                let boundary = last_boundary(rest, window.consumed);
                if boundary < window.consumed {
                    window = self.window(model, &rest[..boundary], true);
                }
            }
            window.consumed = window.consumed.max(1);
            taken += window.consumed;
            windows.push(window);
        }
        windows
    }

    /// One window from the start of `text`; with `starts_anew` from an empty context.
    fn window(&self, model: &mut impl ByteModel, text: &[u8], starts_anew: bool) -> Window {
        if starts_anew {
            model.reset();
        }
        let mut encoder = WindowEncoder::new(self.bits, self.encoding.code(), self.context);
        for &byte in text {
            if encoder.is_full() || !encoder.push(model.frequencies(), byte) {
                break;
            }
            model.push(byte);
        }
        encoder.window()
    }
}

/// Whether a byte belongs to a word: letters, digits, and bytes of other scripts.
fn in_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte >= 0x80
}

/// The last place at or before `end` that does not lie within a word; `end` if the word reaches back to the beginning.
fn last_boundary(text: &[u8], end: usize) -> usize {
    let cuts = |place: usize| match (place.checked_sub(1).and_then(|before| text.get(before)), text.get(place)) {
        (Some(&before), Some(&after)) => in_word(before) && in_word(after),
        _ => false,
    };
    (1..=end).rev().find(|&place| !cuts(place)).unwrap_or(end)
}

/// The windows of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Segments {
    /// Bits in each.
    pub bits: WindowBits,
    /// Their values one after the other, most significant byte first.
    pub code: Vec<u8>,
    /// Bytes of text in each.
    pub lengths: Vec<u16>,
}

impl Segments {
    /// No windows yet.
    pub fn new(bits: WindowBits) -> Self {
        Self { bits, code: Vec::new(), lengths: Vec::new() }
    }

    /// Where each window ends in the text.
    pub fn ends(&self) -> impl Iterator<Item = usize> {
        self.lengths.iter().scan(0, |end, &length| {
            *end += usize::from(length);
            Some(*end)
        })
    }

    /// The value of each window.
    pub fn values(&self) -> impl Iterator<Item = u128> {
        self.code.chunks(self.bits.bytes()).filter_map(|value| self.bits.read(value))
    }

    fn push(&mut self, window: Window) {
        let mut place = [0; 16];
        let unused = self.bits.write(window.value, &mut place).map_or(0, |rest| rest.len());
        self.code.extend_from_slice(&place[..place.len() - unused]);
        self.lengths.push(window.consumed as u16);
    }
}

/// Cuts a text into windows that start anew, a byte at a time.
pub struct Cutter<'a> {
    /// From the start of the open window on.
    text: &'a [u8],
    bits: WindowBits,
    encoding: Encoding,
    /// The most bytes in a window.
    context: usize,
    /// Bytes of code after which enough of the text is cut.
    wanted: usize,
    /// The window that is being filled.
    filling: Option<Filling>,
    /// Where the open window may end, the furthest last. Empty: it has not been filled yet.
    ends: Vec<Window>,
    /// How many of its ends have been tried, from the furthest on.
    tried: usize,
    /// The best of them, and the window that follows it.
    best: Option<(Window, Filled)>,
    windows: Segments,
}

/// A window that takes bytes.
struct Filling {
    encoder: WindowEncoder,
    filled: Filled,
}

/// What a window may hold.
#[derive(Default)]
struct Filled {
    /// Where it may end after each byte, the furthest last.
    ends: Vec<Window>,
    /// The room that was left after each byte; not of lexicons.
    rooms: Vec<u128>,
}

impl<'a> Cutter<'a> {
    /// Begins; the text is cut until its windows have `wanted` bytes.
    pub fn new((bits, encoding): (WindowBits, Encoding), context: usize, wanted: usize, text: &'a [u8]) -> Self {
        let (ends, windows) = (Vec::new(), Segments::new(bits));
        Self { text, bits, encoding, context, wanted, filling: None, ends, tried: 0, best: None, windows }
    }

    /// The windows so far.
    pub fn windows(self) -> Segments {
        self.windows
    }

    /// Cuts all that is wanted.
    pub fn cut(mut self, model: &mut impl ByteModel) -> Segments {
        while !self.step(model) {}
        self.windows
    }

    /// Goes on by a byte, and says whether all that is wanted has been cut.
    pub fn step(&mut self, model: &mut impl ByteModel) -> bool {
        loop {
            let start = self.start();
            let filling = self.filling.get_or_insert_with(|| {
                model.reset();
                let encoder = WindowEncoder::new(self.bits, self.encoding.code(), self.context);
                Filling { encoder, filled: Filled::default() }
            });
            let next = self.text.get(start + filling.filled.ends.len()).filter(|_| !filling.encoder.is_full());
            if let Some(&byte) = next
                && filling.encoder.push(model.frequencies(), byte)
            {
                model.push(byte);
                // It may stand for fewer bytes than were pushed.
                filling.filled.ends.push(filling.encoder.window());
                filling.filled.rooms.push(filling.encoder.room());
                if !self.is_behind() {
                    return false;
                }
                // As if it held nothing.
                self.filling = None;
            }
            let filled = self.filling.take().map_or_else(Filled::default, |filling| filling.filled);
            if self.filled(filled) {
                return true;
            }
        }
    }

    /// Cuts all that is wanted with the texts of a lexicon.
    pub fn cut_by(mut self, lexicon: &Lexicon) -> Segments {
        loop {
            let beginnings = lexicon.beginnings(&self.text[self.start()..]);
            let ends = (1..).zip(beginnings).map(|(consumed, value)| Window { value: value.into(), consumed });
            if self.filled(Filled { ends: ends.collect(), rooms: Vec::new() }) {
                return self.windows;
            }
        }
    }

    /// Where the next window to be filled starts in the text.
    fn start(&self) -> usize {
        self.trial().map_or(0, |end| end.consumed)
    }

    /// The end of the open window that is being tried.
    fn trial(&self) -> Option<Window> {
        self.ends.iter().nth_back(self.tried).copied()
    }

    /// Whether the window that is being filled has so little room left, beside the best one so far, that it need not be
    /// filled further. Never with 16 bits: a lexicon, which knows no room, makes the same windows.
    fn is_behind(&self) -> bool {
        let compare = || {
            let (filling, (end, best)) = (self.filling.as_ref()?, self.best.as_ref()?);
            let last = self.start() + filling.filled.rooms.len().checked_sub(1)?;
            let beyond = last.checked_sub(self.ends.last()?.consumed)?;
            let (room, best) = (filling.filled.rooms.last()?, best.rooms.get(last - end.consumed)?);
            Some(*room < best >> MOST_BEHIND.saturating_sub(beyond).max(1))
        };
        self.bits > WindowBits::B16 && compare().unwrap_or(false)
    }

    /// Takes the window from [`Self::start`] on, and says whether all that is wanted has been cut.
    fn filled(&mut self, mut filled: Filled) -> bool {
        filled.ends.drain(..filled.ends.len().saturating_sub(tries(self.bits)));
        let reach = |filled: &Filled| filled.ends.last().map_or(0, |end| end.consumed);
        match self.trial() {
            None => self.ends = filled.ends,
            Some(end) => {
                let best = self.best.as_ref().map_or(0, |(end, best)| end.consumed + reach(best));
                if end.consumed + reach(&filled) > best {
                    self.best = Some((end, filled));
                }
                self.tried += 1;
            }
        }
        loop {
            // A window holds one byte at least, unless there is no text or no context.
            let Some(&furthest) = self.ends.last().filter(|furthest| furthest.consumed > 0) else { return true };
            if self.encoding != Encoding::Flexible || furthest.consumed == self.text.len() {
                return self.close(furthest, Vec::new());
            }
            if self.tried < self.ends.len() {
                return false;
            }
            let Some((end, best)) = self.best.take() else { return true };
            if self.close(end, best.ends) {
                return true;
            }
        }
    }

    /// Closes the open window, and opens the next one.
    fn close(&mut self, window: Window, ends: Vec<Window>) -> bool {
        self.windows.push(window);
        self.text = &self.text[window.consumed..];
        (self.ends, self.tried, self.best) = (ends, 0, None);
        self.text.is_empty() || self.windows.code.len() >= self.wanted
    }
}

#[cfg(test)]
mod tests {
    use equalinfo_codec::{Frequencies, StaticModel, decode_window, encode_window};
    use proptest::prelude::*;

    use super::*;
    use crate::model::Model;
    use crate::plan::lockstep::{self, LANES};

    const ALICE: &[u8] = include_bytes!("../../tests/data/alice29.txt");

    fn decoded(model: &mut impl ByteModel, bits: WindowBits, context: usize, windows: &Segments) -> Vec<u8> {
        let mut text = Vec::new();
        for (value, &length) in windows.code.chunks(bits.bytes()).zip(&windows.lengths) {
            let value = bits.read(value).unwrap();
            let found = decode_window(model, bits, WindowCode::Default, context, value, |byte| text.push(byte));
            assert_eq!(found, Some(length.into()));
        }
        text
    }

    /// The fewest windows that a text falls into, wherever they end.
    fn fewest(model: &mut impl ByteModel, bits: WindowBits, context: usize, text: &[u8]) -> usize {
        let (mut count, mut reached, mut next, mut tried) = (0, 0, 0, 0);
        while reached < text.len() {
            while tried <= reached {
                let window = encode_window(model, bits, WindowCode::Default, context, &text[tried..]);
                next = next.max(tried + window.consumed);
                tried += 1;
            }
            (reached, count) = (next, count + 1);
        }
        count
    }

    proptest! {
        #[test]
        fn flexible_windows_are_the_fewest(
            text in prop::collection::vec(prop_oneof![4 => 0u8..4, 2 => 97u8..110, 1 => any::<u8>()], 0..300),
            weights in prop::collection::vec(1u16..200, 256),
            context in 1usize..9,
            bits in prop_oneof![Just(WindowBits::B16), Just(WindowBits::B24), Just(WindowBits::B64)],
        ) {
            let mut frequencies = Frequencies::uniform();
            frequencies.set_weights(|byte| weights[usize::from(byte)] * if byte < 4 { 100 } else { 1 });
            let mut model = StaticModel(frequencies);
            // No window has more ends than are tried.
            let windows = Cutter::new((bits, Encoding::Flexible), context, usize::MAX, &text).cut(&mut model);
            prop_assert_eq!(decoded(&mut model, bits, context, &windows), &text[..]);
            prop_assert_eq!(windows.lengths.len(), fewest(&mut model, bits, context, &text));
        }
    }

    #[test]
    fn flexible_windows_of_a_model_are_fewer() {
        const CONTEXT: usize = 48;
        let model = Model::shipped("nano").unwrap();
        let mut session = model.session(CONTEXT).unwrap();
        let mut batch = model.engine().lockstep(LANES, CONTEXT).unwrap();
        let texts: Vec<&[u8]> = (0..20).map(|i| &ALICE[3000 * i..][..i * 97 % 1500]).collect();
        for bits in [WindowBits::B16, WindowBits::B32, WindowBits::B64] {
            let windows = |encoding| Cutter::new((bits, encoding), CONTEXT, usize::MAX, &ALICE[..24_000]);
            let greedy = windows(Encoding::Greedy(WindowCode::Default)).cut(&mut session);
            let flexible = windows(Encoding::Flexible).cut(&mut session);
            assert!(decoded(&mut session, bits, CONTEXT, &flexible) == ALICE[..24_000]);
            assert!(flexible.lengths.len() < greedy.lengths.len(), "{bits:?}");
            let alone: Vec<Segments> = texts
                .iter()
                .map(|text| Cutter::new((bits, Encoding::Flexible), CONTEXT, usize::MAX, text).cut(&mut session))
                .collect();
            assert!(
                lockstep::encode_windows(&mut batch, (bits, Encoding::Flexible), CONTEXT, usize::MAX, &texts) == alone
            );
        }
        let some = Cutter::new((WindowBits::B16, Encoding::Flexible), CONTEXT, 99, ALICE).cut(&mut session);
        assert_eq!(some.code.len(), 100);
    }
}
