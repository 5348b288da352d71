//! [`Tokenizer`]: a [`Method`] with the model that it needs.

use anyhow::{Context, Result, bail, ensure};
use equalinfo_codec::window::{Window, WindowEncoder};
use equalinfo_codec::{ByteModel, WindowBits, WindowCode};

use super::method::{Align, Method, Reset, Task};
use super::subwords::Encoded;
use crate::compress::batch::Batch;
use crate::compress::lockstep::{self, LANES};
use crate::compress::windows::{self, Cutter, Encoding};
use crate::engine;
use crate::model::{LoadedModel, Session};

/// The tokens of a row.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tokens {
    /// Token ids.
    pub ids: Vec<u16>,
    /// The first so many of them are given: there is no loss on them.
    pub given: usize,
    /// Bytes of text that the others stand for; where that is not exact, in proportion.
    pub text: u64,
}

impl Tokens {
    /// Tokens with a loss.
    pub fn lost(&self) -> usize {
        self.ids.len() - self.given
    }

    /// Rows of at most `length` tokens, with the text in proportion.
    pub fn rows(self, length: usize) -> impl Iterator<Item = Self> {
        let (all, text) = (self.ids.len() as u64, self.text);
        let before = move |tokens: u64| text * tokens / all.max(1);
        (0..self.ids.len()).step_by(length.max(1)).map(move |first| {
            let ids = self.ids[first..self.ids.len().min(first + length)].to_vec();
            let (begin, end) = (first as u64, (first + ids.len()) as u64);
            Self { ids, given: 0, text: before(end) - before(begin) }
        })
    }
}

/// Bytes of text for a byte of windows, of nearly all texts at most.
const LIKELY_RATIO: usize = 6;

/// The windows of a text.
pub struct Windows {
    /// Their width.
    pub bits: WindowBits,
    /// Their codes, one behind the other.
    pub code: Vec<u8>,
    /// Where each of them ends in the text.
    pub ends: Vec<usize>,
}

impl Windows {
    fn new(bits: WindowBits, windows: windows::Windows) -> Self {
        let mut end = 0;
        let end_of = |&length: &u16| {
            end += usize::from(length);
            end
        };
        Self { bits, ends: windows.lengths.iter().map(end_of).collect(), code: windows.code }
    }

    /// The first tokens of them, `most` at most.
    fn tokens(&self, token_bits: u32, most: usize) -> Tokens {
        let Self { bits, code, ends } = self;
        let ids = ids(code, token_bits, most);
        // Windows that the tokens hold whole, and a share of the one that they cut.
        let kept = ids.len() * token_bits as usize / 8;
        let (whole, part) = (kept / bits.bytes(), kept % bits.bytes());
        let end = |windows: usize| windows.checked_sub(1).and_then(|last| ends.get(last)).copied().unwrap_or(0);
        let next = ends.get(whole).copied().unwrap_or_else(|| end(whole));
        let text = end(whole) + (next - end(whole)) * part / bits.bytes();
        Tokens { ids, given: 0, text: text as u64 }
    }
}

/// More tokens than any method makes of a text: a window holds a byte at least, and has no more than 16 tokens.
pub fn most_tokens(text: usize) -> usize {
    16 * text + 16
}

/// A method with what it needs to run.
pub struct Tokenizer<'a> {
    method: Method,
    /// M1, the lexicon, or the byte frequencies.
    model: &'a LoadedModel,
    /// Bytes of context.
    context: usize,
    window: Option<(WindowBits, Encoding)>,
    /// What codes the text of [`Method::Seq2seq`].
    coder: Option<Box<Tokenizer<'a>>>,
    /// The model's windows of 16 bits, for long texts.
    lexicon: Option<LoadedModel>,
}

impl<'a> Tokenizer<'a> {
    /// A tokenizer; `model` is M1, for `static-ac` the byte frequencies, for `lexicon` the lexicon, for `unigram` the subwords, and of no matter otherwise.
    ///
    /// # Errors
    /// A width or code of windows that there is not, a vocabulary of another size, or a code that M2 cannot be shown beside its text.
    pub fn new(method: Method, model: &'a LoadedModel, context: usize) -> Result<Self> {
        let window = match &method {
            Method::EqualInfo { window_bits, code, reset, align, .. } => {
                let bits =
                    WindowBits::from_bits(*window_bits).with_context(|| format!("no windows of {window_bits} bits"))?;
                let encoding = Encoding::from_name(code).with_context(|| {
                    format!("expected window code default, paper, delay or flexible, found '{code}'")
                })?;
                ensure!(
                    encoding != Encoding::Flexible || (*reset, *align) == (Reset::Every, Align::None),
                    "code flexible: windows that start anew, without alignment"
                );
                Some((bits, encoding))
            }
            Method::Unigram { pieces } => {
                let found =
                    model.subwords().context("method unigram needs a vocabulary: name it with --tokenizer")?.size();
                ensure!(found == *pieces, "--tokenizer: {found} tokens, expected {pieces}");
                None
            }
            _ => None,
        };
        let coder = match &method {
            Method::Seq2seq { of, example, .. } => {
                let is_code = of.is_bits() && of.vocabulary() == 256;
                ensure!(is_code, "{of} beside its text: expected tokens of 8 bits");
                ensure!(*example > 0, "an example of no bytes");
                Some(Box::new(Self::new((**of).clone(), model, context)?))
            }
            _ => None,
        };
        Ok(Self { method, model, context, window, coder, lexicon: None })
    }

    /// Tokens from which on [`Self::compiled`] pays; `None`: there is no lexicon for the method.
    pub fn compiled_from(&self) -> Option<usize> {
        let (bits, encoding) = self.window.filter(|_| self.starts_anew() && self.model.engine().is_some())?;
        encoding.compiled_from(bits).map(|text| self.likely_tokens(text))
    }

    /// About as many tokens as a text makes in windows of 16 bits.
    pub fn likely_tokens(&self, text: usize) -> usize {
        text / if self.method.vocabulary() == 256 { 2 } else { 4 }
    }

    /// A tokenizer that makes the same tokens of a long text in less time, with the lexicon of its model.
    ///
    /// # Errors
    /// There is no lexicon for the method, or the context is longer than the model's.
    pub fn compiled(&self, threads: usize) -> Result<Self> {
        let lexicon = self.compiled_from().and_then(|_| self.model.compiled(self.context, threads).transpose());
        let lexicon = Some(lexicon.with_context(|| format!("{} has no lexicon", self.method))??);
        Ok(Self { method: self.method.clone(), coder: None, lexicon, ..*self })
    }

    /// The method.
    pub fn method(&self) -> &Method {
        &self.method
    }

    /// The memory of one thread.
    ///
    /// # Errors
    /// The context is longer than the model's.
    pub fn session(&self) -> Result<Option<Session>> {
        match (&self.method, &self.coder) {
            (Method::EqualInfo { .. }, _) if self.lexicon.is_none() => self.model.session(self.context).map(Some),
            (_, Some(coder)) => coder.session(),
            _ => Ok(None),
        }
    }

    /// The first tokens of a text, `most` at most.
    ///
    /// # Errors
    /// The model is of another kind than the method needs.
    pub fn tokenize(&self, session: &mut Option<Session>, text: &[u8], most: usize) -> Result<Tokens> {
        Ok(match &self.method {
            Method::Bytes => {
                let ids: Vec<u16> = text.iter().take(most).map(|&byte| byte.into()).collect();
                Tokens { text: ids.len() as u64, given: 0, ids }
            }
            Method::Gzip { token_bits } => proportional(&zlib(text)?, *token_bits, text.len(), most),
            Method::StaticAc { token_bits } | Method::Ac { token_bits } => {
                // Two bytes of code for a byte of text is more than any frequencies can ask: a byte costs at most 15 bits.
                let mut code = vec![0; 2 * text.len() + 16];
                let length = self
                    .model
                    .range_encode(self.context, text, &mut code)?
                    .context("the code is longer than 16 bits a byte")?;
                code.truncate(length);
                proportional(&code, *token_bits, text.len(), most)
            }
            Method::EqualInfo { token_bits, .. } => {
                let wanted = most * *token_bits as usize / 8;
                if let (Some(lexicon), Some(window)) =
                    (self.lexicon.as_ref().and_then(LoadedModel::as_lexicon), self.window)
                {
                    let windows = Cutter::new(window, self.context, wanted, text).cut_by(lexicon);
                    return Ok(Windows::new(window.0, windows).tokens(*token_bits, most));
                }
                let session = session.as_mut().context("windows need a model")?;
                self.windows(session, text, wanted)?.tokens(*token_bits, most)
            }
            Method::Unigram { .. } => {
                let subwords = self.model.subwords().context("method unigram needs a vocabulary")?;
                let Encoded { mut ids, ends } = subwords.encode(text)?;
                ids.truncate(most);
                let taken = ids.len().checked_sub(1).and_then(|last| ends.get(last)).copied().unwrap_or(0);
                Tokens { ids, given: 0, text: taken as u64 }
            }
            Method::Seq2seq { task, .. } => self.beside(*task, session, text, most)?,
            Method::Lexicon { token_bits, .. } => {
                let lexicon = self.model.as_lexicon().context("method lexicon needs a lexicon")?;
                let wanted = (most * *token_bits as usize).div_ceil(16);
                let (mut written, mut taken) = (Vec::new(), 0);
                while taken < text.len() && written.len() < 2 * wanted {
                    let (code, length) = lexicon.encode(&text[taken..]);
                    written.extend_from_slice(&code.to_be_bytes());
                    taken += length.max(1);
                }
                Tokens { ids: ids(&written, *token_bits, most), given: 0, text: taken as u64 }
            }
        })
    }

    /// Whether every window starts from an empty context, where the one before ended.
    fn starts_anew(&self) -> bool {
        matches!(self.method, Method::EqualInfo { reset: Reset::Every, align: Align::None, .. })
    }

    /// What makes the memory of one thread that tokenizes texts in lockstep, for methods whose windows start anew.
    pub fn lanes(&self) -> Option<impl Fn() -> Result<engine::Batch> + Sync + use<'a>> {
        let in_lanes = self.starts_anew() && self.lexicon.is_none();
        let (engine, context) = (self.model.engine().filter(|_| in_lanes)?, self.context);
        Some(move || Ok(engine.batch(LANES, context)?))
    }

    /// What [`Tokenizer::tokenize`] gives for each of these texts, by one thread with the memory that [`Tokenizer::lanes`] makes.
    ///
    /// # Errors
    /// The method has no lanes.
    pub fn tokenize_lanes(&self, lanes: &mut engine::Batch, texts: &[&[u8]], most: usize) -> Result<Vec<Tokens>> {
        let (Method::EqualInfo { token_bits, .. }, Some(window)) = (&self.method, self.window) else {
            bail!("{} has no lanes", self.method)
        };
        let wanted = most.saturating_mul(*token_bits as usize / 8);
        let all = lockstep::encode_windows(lanes, window, self.context, wanted, texts);
        Ok(all.into_iter().map(|windows| Windows::new(window.0, windows).tokens(*token_bits, most)).collect())
    }

    /// What [`Tokenizer::tokenize`] gives for each of these texts, by a GPU.
    ///
    /// # Errors
    /// A method that GPUs don't have, or those of the device.
    pub fn tokenize_batch(&self, batch: &dyn Batch, texts: &[&[u8]], most: usize) -> Result<Vec<Tokens>> {
        match (&self.method, self.window) {
            (Method::Ac { token_bits }, _) => {
                let codes = batch.range_encode(texts)?;
                let tokens =
                    codes.iter().zip(texts).map(|(code, text)| proportional(code, *token_bits, text.len(), most));
                Ok(tokens.collect())
            }
            (
                Method::EqualInfo { token_bits, reset: Reset::Every, align: Align::None, .. },
                Some((bits, Encoding::Greedy(WindowCode::Default))),
            ) => {
                let wanted = most * *token_bits as usize / 8;
                // Windows of the beginning are those of the whole, but for the last of them.
                let begins: Vec<&[u8]> =
                    texts.iter().map(|text| &text[..text.len().min(wanted.saturating_mul(LIKELY_RATIO))]).collect();
                let mut all = batch.encode_windows(bits, &begins)?;
                let too_short = |index: usize, windows: &windows::Windows| {
                    begins[index].len() < texts[index].len() && windows.code.len() < wanted + bits.bytes()
                };
                let again: Vec<usize> = (0..all.len()).filter(|&index| too_short(index, &all[index])).collect();
                let whole: Vec<&[u8]> = again.iter().map(|&index| texts[index]).collect();
                for (index, windows) in again.into_iter().zip(batch.encode_windows(bits, &whole)?) {
                    all[index] = windows;
                }
                Ok(all.into_iter().map(|windows| Windows::new(bits, windows).tokens(*token_bits, most)).collect())
            }
            _ => bail!(
                "--device cuda has methods ac and equal-info, with the default code, a reset at every window and no alignment"
            ),
        }
    }

    /// The windows of a text, until their codes have `wanted` bytes.
    ///
    /// # Errors
    /// The method has none.
    pub fn windows(&self, session: &mut Session, text: &[u8], wanted: usize) -> Result<Windows> {
        let (bits, encoding) = self.window.context("windows need a width")?;
        let Method::EqualInfo { reset, align, .. } = &self.method else { bail!("{} has no windows", self.method) };
        if self.starts_anew() {
            return Ok(Windows::new(bits, Cutter::new((bits, encoding), self.context, wanted, text).cut(session)));
        }
        let code = encoding.code();
        let mut windows = Windows { bits, code: Vec::new(), ends: Vec::new() };
        let mut taken = 0;
        session.reset();
        while taken < text.len() && windows.code.len() < wanted {
            let starts_anew = match reset {
                Reset::Every => true,
                Reset::EveryOther => windows.ends.len().is_multiple_of(2),
                Reset::Never => windows.ends.is_empty(),
            };
            let rest = &text[taken..];
            let mut window = encode(session, (bits, code), self.context, rest, starts_anew);
            if *align == Align::Word && starts_anew {
                let boundary = last_boundary(rest, window.consumed);
                if boundary < window.consumed {
                    window = encode(session, (bits, code), self.context, &rest[..boundary], true);
                }
            }
            taken += window.consumed.max(1);
            let mut place = [0; 16];
            let unused = bits.write(window.value, &mut place).map_or(0, |rest| rest.len());
            windows.code.extend_from_slice(&place[..place.len() - unused]);
            windows.ends.push(taken);
        }
        Ok(windows)
    }

    /// A text and its code, the second of them shifted behind the ids of the first. What does not fit is cut.
    fn beside(&self, task: Task, session: &mut Option<Session>, text: &[u8], most: usize) -> Result<Tokens> {
        let coder = self.coder.as_ref().context("there is no code")?;
        let bytes: Vec<u16> = text.iter().map(|&byte| byte.into()).collect();
        let mut code = || coder.tokenize(session, text, most_tokens(text.len()));
        let (given, wanted, shift) = match task {
            Task::Decompress => (code()?.ids, bytes, coder.method.vocabulary() as u16),
            Task::Compress => (bytes, code()?.ids, 256),
            Task::Text => (Vec::new(), bytes, 0),
        };
        ensure!(
            given.len() < most,
            "{}: {} tokens before the first with a loss; --sequence is {most}",
            self.method,
            given.len()
        );
        let all = wanted.len().max(1);
        let wanted: Vec<u16> = wanted.into_iter().map(|id| id + shift).take(most - given.len()).collect();
        let text = (text.len() * wanted.len() / all) as u64;
        Ok(Tokens { given: given.len(), ids: [given, wanted].concat(), text })
    }
}

/// One window from the start of `text`; with `starts_anew` from an empty context.
fn encode(
    session: &mut Session,
    (bits, code): (WindowBits, WindowCode),
    context: usize,
    text: &[u8],
    starts_anew: bool,
) -> Window {
    if starts_anew {
        session.reset();
    }
    let mut encoder = WindowEncoder::new(bits, code, context);
    for &byte in text {
        if encoder.is_full() || !encoder.push(session.frequencies(), byte) {
            break;
        }
        session.push(byte);
    }
    encoder.window()
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

/// Bytes as tokens, most significant byte first; a last token that is cut is filled with zeros.
fn ids(bytes: &[u8], token_bits: u32, most: usize) -> Vec<u16> {
    if token_bits == 8 {
        return bytes.iter().take(most).map(|&byte| byte.into()).collect();
    }
    let pair = |pair: &[u8]| u16::from_be_bytes([pair[0], pair.get(1).copied().unwrap_or(0)]);
    bytes.chunks(2).take(most).map(pair).collect()
}

/// Tokens of a code of the whole text: those that are kept stand for their share of it.
fn proportional(code: &[u8], token_bits: u32, text: usize, most: usize) -> Tokens {
    let all = code.len().div_ceil(token_bits as usize / 8).max(1);
    let ids = ids(code, token_bits, most);
    Tokens { text: (text as u64 * ids.len() as u64) / all as u64, given: 0, ids }
}

fn zlib(text: &[u8]) -> Result<Vec<u8>> {
    use std::io::Read;
    let mut code = Vec::new();
    flate2::read::ZlibEncoder::new(text, flate2::Compression::default()).read_to_end(&mut code)?;
    Ok(code)
}
