//! [`Tokenizer`]: a [`TokenMethod`] with the model that it needs.

use std::io::Read;
use std::num::NonZeroUsize;
use std::ops::Range;
use std::thread;

use equalinfo_codec::container::Method as StreamMethod;
use equalinfo_codec::{WindowBits, WindowCode};

use super::decoder::TokenDecoder;
use super::error::TokenError;
use super::method::{LexiconOf, Task, TokenMethod};
use super::row::{Tokens, ids, most_tokens};
use crate::coding::{CodingError, CodingModel, LONGEST_CONTEXT};
use crate::lexicon::{Lexicon, LexiconKind};
use crate::model::Model;
use crate::plan::{CpuWorker, Job, Plan, TOGETHER, Worker, Workers};
#[cfg(feature = "subwords")]
use crate::subwords::{SubwordKind, Subwords};
use crate::windows::{Align, Encoding, Reset, Segmentation, Segments};

/// What a method may need to make tokens.
///
/// ```
/// use equalinfo::tokens::TokenModel;
/// use equalinfo::{ByteFrequencies, TokenMethod, Tokenizer};
///
/// let model = TokenModel::from(ByteFrequencies::english());
/// assert_eq!(model.name(), Some("static"));
/// let tokenizer = Tokenizer::new(TokenMethod::StaticAc { token_bits: 8 }, model, 64)?;
/// assert_eq!(tokenizer.encode(b"the best")?.len(), 5);
/// # Ok::<(), equalinfo::TokenError>(())
/// ```
#[derive(Clone)]
pub enum TokenModel {
    /// Nothing: for bytes and gzip.
    Nothing,
    /// What texts are coded with.
    Coding(CodingModel),
    /// Pieces of words.
    #[cfg(feature = "subwords")]
    Subwords(Subwords),
}

impl TokenModel {
    /// Its name; `None` where there is nothing.
    pub fn name(&self) -> Option<&str> {
        match self {
            Self::Nothing => None,
            Self::Coding(model) => Some(model.name()),
            #[cfg(feature = "subwords")]
            Self::Subwords(subwords) => Some(subwords.name()),
        }
    }

    /// Its id; `None` where there is nothing.
    pub fn id(&self) -> Option<u64> {
        match self {
            Self::Nothing => None,
            Self::Coding(model) => Some(model.id()),
            #[cfg(feature = "subwords")]
            Self::Subwords(subwords) => Some(subwords.id()),
        }
    }

    /// The longest context that it can run with, in bytes.
    pub fn context(&self) -> usize {
        match self {
            Self::Coding(model) => model.context(),
            _ => LONGEST_CONTEXT,
        }
    }
}

impl<M: Into<CodingModel>> From<M> for TokenModel {
    fn from(model: M) -> Self {
        Self::Coding(model.into())
    }
}

#[cfg(feature = "subwords")]
impl From<Subwords> for TokenModel {
    fn from(subwords: Subwords) -> Self {
        Self::Subwords(subwords)
    }
}

/// Tokens, and which text each of them stands for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Encoded {
    /// Token ids.
    pub ids: Vec<u16>,
    /// For each token the bytes of text of the windows that it is a part of. Tokens of one window have the same.
    pub offsets: Vec<Range<usize>>,
}

/// Turns text into tokens for language models, and back.
///
/// ```
/// use equalinfo::{Model, Tokenizer, WindowBits};
///
/// let text = b"It was the best of times, it was the worst of times.";
/// let model = Model::shipped("nano")?;
/// let tokenizer = Tokenizer::windows(&model, WindowBits::B16)?;
/// let tokens: Vec<u16> = tokenizer.encode(text)?;
/// assert!(tokens.len() < text.len() / 2);
/// assert_eq!(tokenizer.decode(&tokens)?, text);
///
/// let encoded = tokenizer.encode_with_offsets(text)?;
/// let first = encoded.offsets[0].clone();
/// assert_eq!(tokenizer.decode(&encoded.ids[..1])?, text[first]);
///
/// assert_eq!(tokenizer.encode_batch(&[&text[..], b"wisdom"], 2)?[0], tokens);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Tokenizer {
    method: TokenMethod,
    model: TokenModel,
    /// Bytes of context.
    context: usize,
    /// What is computed of a text; `None` where no model is asked.
    job: Option<Job>,
    /// What codes the text of [`TokenMethod::Seq2seq`].
    coder: Option<Box<Tokenizer>>,
}

/// The tokens of a text, of which so many are wanted at most.
type TokensOf<'a> = dyn Fn(&[u8], usize) -> Result<Tokens, TokenError> + 'a;

impl Tokenizer {
    /// Windows of this width in the default code, each of which decodes alone: tokens of 16 bits.
    ///
    /// # Errors
    /// None for a model that was loaded.
    pub fn windows(model: &Model, bits: WindowBits) -> Result<Self, TokenError> {
        Self::new(TokenMethod::windows(bits), model, model.context())
    }

    /// The codes of a lexicon: tokens of 16 bits.
    ///
    /// # Errors
    /// None for a lexicon that was loaded.
    pub fn lexicon(lexicon: &Lexicon) -> Result<Self, TokenError> {
        let kind = match lexicon.kind() {
            LexiconKind::WindowCode => LexiconOf::WindowCode,
            LexiconKind::Optimal => LexiconOf::Optimal,
        };
        Self::new(TokenMethod::Lexicon { token_bits: 16, kind }, lexicon, lexicon.context())
    }

    /// Pieces of words.
    ///
    /// # Errors
    /// None for a vocabulary that was loaded.
    #[cfg(feature = "subwords")]
    pub fn subwords(subwords: &Subwords) -> Result<Self, TokenError> {
        Self::new(TokenMethod::subwords(subwords), subwords.clone(), LONGEST_CONTEXT)
    }

    /// The bytes themselves.
    pub fn bytes() -> Self {
        let (method, model) = (TokenMethod::Bytes, TokenModel::Nothing);
        Self { method, model, context: LONGEST_CONTEXT, job: None, coder: None }
    }

    /// Any method: M1 for `ac` and `equal-info`, byte frequencies for `static-ac`, a lexicon for `lexicon`, subwords
    /// for `unigram`, and no matter what for the others; `context` is what a model sees in bytes.
    ///
    /// # Errors
    /// Another model than the method needs, a width or code of windows that there is not, a vocabulary of another size,
    /// or a code that M2 cannot be shown beside its text.
    pub fn new(method: TokenMethod, model: impl Into<TokenModel>, context: usize) -> Result<Self, TokenError> {
        method.check()?;
        let model = model.into();
        let needs = |expected| TokenError::Model { method: method.clone(), expected };
        let job = match (&method, &model) {
            (TokenMethod::Bytes | TokenMethod::Gzip { .. } | TokenMethod::Seq2seq { .. }, _) => None,
            (TokenMethod::StaticAc { .. }, TokenModel::Coding(CodingModel::Frequencies(_)))
            | (TokenMethod::Ac { .. }, TokenModel::Coding(CodingModel::Model(_))) => Some(Job::RangeEncode),
            (
                TokenMethod::EqualInfo { window_bits, code, reset, align, .. },
                TokenModel::Coding(CodingModel::Model(_)),
            ) => Some(Job::Cut(segmentation(*window_bits, code, *reset, *align, context)?)),
            (TokenMethod::Lexicon { .. }, TokenModel::Coding(CodingModel::Lexicon(lexicon))) => {
                let encoding = Encoding::Greedy(WindowCode::Default);
                Some(Job::Cut(Segmentation::new(WindowBits::B16, encoding, lexicon.context())))
            }
            #[cfg(feature = "subwords")]
            (
                TokenMethod::Unigram { pieces } | TokenMethod::Bpe { pieces } | TokenMethod::SuperBpe { pieces },
                TokenModel::Subwords(subwords),
            ) => {
                let (kind, expected) = match &method {
                    TokenMethod::Bpe { .. } => (SubwordKind::Bpe, "BPE within words"),
                    TokenMethod::SuperBpe { .. } => (SubwordKind::SuperBpe, "BPE across words"),
                    _ => (SubwordKind::Unigram, "a Unigram model, not BPE"),
                };
                if subwords.kind() != kind {
                    return Err(needs(expected));
                }
                if subwords.size() != *pieces {
                    return Err(TokenError::Vocabulary { expected: *pieces, found: subwords.size() });
                }
                None
            }
            (TokenMethod::StaticAc { .. }, _) => return Err(needs("byte frequencies")),
            (TokenMethod::Ac { .. } | TokenMethod::EqualInfo { .. }, _) => return Err(needs("an M1")),
            (TokenMethod::Lexicon { .. }, _) => return Err(needs("a lexicon")),
            (TokenMethod::Unigram { .. } | TokenMethod::Bpe { .. } | TokenMethod::SuperBpe { .. }, _) => {
                return Err(needs("a vocabulary of subwords"));
            }
        };
        let coder = match &method {
            TokenMethod::Seq2seq { task, of, .. } if *task != Task::Text => {
                Some(Box::new(Self::new((**of).clone(), model.clone(), context)?))
            }
            _ => None,
        };
        Ok(Self { method, model, context, job, coder })
    }

    /// The method.
    pub fn method(&self) -> &TokenMethod {
        &self.method
    }

    /// What the method needs.
    pub fn model(&self) -> &TokenModel {
        &self.model
    }

    /// Bytes of text that a model sees at most.
    pub fn context(&self) -> usize {
        self.context
    }

    /// Different tokens: ids are below it.
    pub fn vocabulary(&self) -> usize {
        self.method.vocabulary()
    }

    /// The tokens of a text.
    ///
    /// # Errors
    /// The context is not the model's, or a vocabulary of subwords cannot encode this text.
    pub fn encode(&self, text: &[u8]) -> Result<Vec<u16>, TokenError> {
        Ok(self.first_tokens(text, most_tokens(text.len()))?.ids)
    }

    /// The first tokens of a text, `most` at most, with the bytes of text that they stand for.
    ///
    /// # Errors
    /// As [`Self::encode`], or a row of `most` tokens has no room for what M2 is to learn.
    pub fn first_tokens(&self, text: &[u8], most: usize) -> Result<Tokens, TokenError> {
        let mut worker = self.worker_for(text)?;
        Ok(self.tokens(&mut worker, &[text], most)?.pop().unwrap_or_default())
    }

    /// The tokens of each text, by `threads` threads.
    ///
    /// # Errors
    /// As [`Self::encode`].
    pub fn encode_batch<T: AsRef<[u8]> + Sync>(
        &self,
        texts: &[T],
        threads: usize,
    ) -> Result<Vec<Vec<u16>>, TokenError> {
        let all: usize = texts.iter().map(|text| text.as_ref().len()).sum();
        let plan = self.plan(Workers::Threads(threads), |bytes| Ok::<_, TokenError>(all >= bytes))?;
        let mut tokens = Vec::with_capacity(texts.len());
        plan.run(
            texts.iter().map(|text| Ok(text.as_ref())),
            |text| text.len(),
            |worker, texts: Vec<&[u8]>| {
                let longest = texts.iter().map(|text| text.len()).max().unwrap_or(0);
                self.tokens(worker, &texts, most_tokens(longest))
            },
            |row| {
                tokens.push(row.ids);
                Ok::<_, TokenError>(())
            },
        )?;
        Ok(tokens)
    }

    /// The tokens of a text, and which bytes of it each stands for.
    ///
    /// # Errors
    /// As [`Self::encode`]; codes of whole texts (`gzip`, `static-ac`, `ac`) do not say it.
    pub fn encode_with_offsets(&self, text: &[u8]) -> Result<Encoded, TokenError> {
        match &self.method {
            TokenMethod::Bytes => Ok(Encoded {
                ids: text.iter().map(|&byte| byte.into()).collect(),
                offsets: (0..text.len()).map(|place| place..place + 1).collect(),
            }),
            #[cfg(feature = "subwords")]
            TokenMethod::Unigram { .. } | TokenMethod::Bpe { .. } | TokenMethod::SuperBpe { .. } => {
                let TokenModel::Subwords(subwords) = &self.model else {
                    return Err(TokenError::NoOffsets(self.method.clone()));
                };
                let (ids, offsets) = subwords.encode(text)?.into_iter().unzip();
                Ok(Encoded { ids, offsets })
            }
            TokenMethod::EqualInfo { token_bits, .. } | TokenMethod::Lexicon { token_bits, .. } => {
                let windows = self.segments(text)?;
                let (width, bytes) = (*token_bits as usize / 8, windows.bits.bytes());
                let ends: Vec<usize> = windows.ends().collect();
                let ids = ids(&windows.code, *token_bits, usize::MAX);
                let end = |window: usize| ends.get(window).or(ends.last()).copied().unwrap_or(0);
                let range = |token: usize| {
                    let (first, last) = (token * width / bytes, ((token + 1) * width - 1) / bytes);
                    first.checked_sub(1).map_or(0, end)..end(last)
                };
                Ok(Encoded { offsets: (0..ids.len()).map(range).collect(), ids })
            }
            method => Err(TokenError::NoOffsets(method.clone())),
        }
    }

    /// The windows that a text falls into.
    ///
    /// # Errors
    /// As [`Self::encode`], or the method has none.
    pub fn segments(&self, text: &[u8]) -> Result<Segments, TokenError> {
        let Some(Job::Cut(segmentation)) = self.job else { return Err(TokenError::NoOffsets(self.method.clone())) };
        let windows = self.worker_for(text)?.cut(usize::MAX, &[text])?.pop();
        Ok(windows.unwrap_or_else(|| Segments::new(segmentation.bits)))
    }

    /// The text of tokens. For methods whose tokens decode one by one: those for which [`TokenMethod::is_transparent`]
    /// holds, and their narrower or wider tokens.
    ///
    /// # Errors
    /// The method is another one, a token is outside the vocabulary, or the tokens end within a window.
    pub fn decode(&self, tokens: &[u16]) -> Result<Vec<u8>, TokenError> {
        let mut decoder = self.decoder()?;
        let mut text = decoder.push(tokens)?;
        text.extend(decoder.finish()?);
        Ok(text)
    }

    /// A decoder that takes tokens as they come.
    ///
    /// # Errors
    /// As [`Self::decode`].
    pub fn decoder(&self) -> Result<TokenDecoder, TokenError> {
        let vocabulary = self.vocabulary();
        let not_decodable = || TokenError::NotDecodable(self.method.clone());
        match (&self.method, &self.model, self.job) {
            (TokenMethod::Bytes, ..) => Ok(TokenDecoder::bytes()),
            #[cfg(feature = "subwords")]
            (method, TokenModel::Subwords(subwords), _) if method.pieces().is_some() => {
                Ok(TokenDecoder::subwords(subwords.clone()))
            }
            (_, TokenModel::Coding(model), Some(Job::Cut(Segmentation { bits, encoding, context, reset, .. })))
                if reset == Reset::Every && encoding.code() != WindowCode::Paper =>
            {
                let job = Job::Decode(StreamMethod::EqualInfo { bits, code: encoding.code() });
                let worker = CpuWorker::new(model, context, job)?;
                let token_bytes = self.method.token_bits().ok_or_else(not_decodable)? as usize / 8;
                Ok(TokenDecoder::windows(worker, bits, token_bytes, vocabulary))
            }
            _ => Err(not_decodable()),
        }
    }

    /// How texts become tokens. `is_long` says whether there is as much text as this, in bytes, and is asked only where
    /// it matters.
    ///
    /// # Errors
    /// The workers do not have this method, the context is not the model's, or those of `is_long`.
    pub fn plan<'a, E: From<CodingError>>(
        &self,
        workers: Workers<'a>,
        is_long: impl FnOnce(usize) -> Result<bool, E>,
    ) -> Result<Plan<'a>, E> {
        self.plan_of(workers, TOGETHER, is_long)
    }

    fn plan_of<'a, E: From<CodingError>>(
        &self,
        workers: Workers<'a>,
        together: usize,
        is_long: impl FnOnce(usize) -> Result<bool, E>,
    ) -> Result<Plan<'a>, E> {
        let coded = self.coder.as_deref().unwrap_or(self);
        match (&coded.model, coded.job, workers) {
            (TokenModel::Coding(model), Some(job), _) => {
                Plan::new(model, coded.context, job, workers, together, is_long)
            }
            (_, _, Workers::Threads(threads)) => Ok(Plan::without_model(threads)),
            (_, _, Workers::Accelerator(_)) => {
                Err(CodingError::NotAccelerated { asked: self.method.to_string() }.into())
            }
        }
    }

    fn worker_for(&self, text: &[u8]) -> Result<Worker<'static>, TokenError> {
        // Only a lexicon takes threads, and none pays for so short a text. To count cores takes longer than to code a line.
        let threads = match text.len() {
            ..0x10000 => 1,
            _ => thread::available_parallelism().map_or(1, NonZeroUsize::get),
        };
        let plan = self.plan_of(Workers::Threads(threads), 1, |bytes| Ok::<_, CodingError>(text.len() >= bytes))?;
        Ok(plan.worker()?)
    }

    /// About as many tokens as a text of this many bytes makes in windows of 16 bits.
    #[cfg(feature = "shards")]
    pub(super) fn likely_tokens(&self, text: usize) -> usize {
        text / if self.method.vocabulary() == 256 { 2 } else { 4 }
    }

    /// The first tokens of each of these texts, `most` at most, by a worker of the tokenizer's [`Self::plan`].
    ///
    /// # Errors
    /// As [`Self::first_tokens`], or the accelerator fails.
    pub fn tokens(&self, worker: &mut Worker, texts: &[&[u8]], most: usize) -> Result<Vec<Tokens>, TokenError> {
        let texts: Vec<(&[u8], usize)> = texts.iter().map(|&text| (text, most)).collect();
        self.first_of_each(worker, &texts)
    }

    /// The first tokens of each of these texts, as many at most as stand beside it.
    ///
    /// # Errors
    /// As [`Self::tokens`].
    pub(super) fn first_of_each(
        &self,
        worker: &mut Worker,
        wanted: &[(&[u8], usize)],
    ) -> Result<Vec<Tokens>, TokenError> {
        let of_each = |tokens_of: &TokensOf<'_>| {
            wanted.iter().map(|&(text, most)| tokens_of(text, most)).collect::<Result<Vec<_>, _>>()
        };
        let texts: Vec<&[u8]> = wanted.iter().map(|&(text, _)| text).collect();
        let most = || wanted.iter().map(|&(_, most)| most);
        let longest = most().max().unwrap_or(0);
        match &self.method {
            TokenMethod::Bytes => of_each(&|text, most| {
                let ids: Vec<u16> = text.iter().take(most).map(|&byte| byte.into()).collect();
                Ok(Tokens { text: ids.len() as u64, given: 0, ids })
            }),
            TokenMethod::Gzip { token_bits } => {
                of_each(&|text, most| Ok(Tokens::proportional(&zlib(text), *token_bits, text.len(), most)))
            }
            TokenMethod::StaticAc { token_bits } | TokenMethod::Ac { token_bits } => {
                let codes = worker.range_encode(&texts)?;
                let tokens = |(code, &(text, most)): (&Vec<u8>, &(&[u8], usize))| {
                    Tokens::proportional(code, *token_bits, text.len(), most)
                };
                Ok(codes.iter().zip(wanted).map(tokens).collect())
            }
            TokenMethod::EqualInfo { token_bits, .. } => {
                let windows = worker.cut(longest.saturating_mul(*token_bits as usize / 8), &texts)?;
                let tokens = |(windows, most)| Tokens::of_windows(windows, *token_bits, most);
                Ok(windows.iter().zip(most()).map(tokens).collect())
            }
            TokenMethod::Lexicon { token_bits, .. } => {
                let codes = |tokens: usize| tokens.saturating_mul(*token_bits as usize).div_ceil(16);
                let windows = worker.cut(2 * codes(longest), &texts)?;
                let tokens = |(windows, most): (&Segments, usize)| Tokens {
                    ids: ids(&windows.code, *token_bits, most),
                    given: 0,
                    text: windows.ends().take(codes(most)).last().unwrap_or(0) as u64,
                };
                Ok(windows.iter().zip(most()).map(tokens).collect())
            }
            TokenMethod::Unigram { .. } | TokenMethod::Bpe { .. } | TokenMethod::SuperBpe { .. } => match &self.model {
                #[cfg(feature = "subwords")]
                TokenModel::Subwords(subwords) => of_each(&|text, most| {
                    let (mut ids, ends): (Vec<u16>, Vec<usize>) =
                        subwords.encode(text)?.into_iter().map(|(id, place)| (id, place.end)).unzip();
                    ids.truncate(most);
                    let taken = ids.len().checked_sub(1).and_then(|last| ends.get(last)).copied().unwrap_or(0);
                    Ok(Tokens { ids, given: 0, text: taken as u64 })
                }),
                _ => Err(TokenError::Model { method: self.method.clone(), expected: "a vocabulary of subwords" }),
            },
            TokenMethod::Seq2seq { task, .. } => {
                let codes = match &self.coder {
                    Some(coder) => {
                        let longest = texts.iter().map(|text| text.len()).max().unwrap_or(0);
                        coder.tokens(worker, &texts, most_tokens(longest))?
                    }
                    None => vec![Tokens::default(); texts.len()],
                };
                let rows = wanted.iter().zip(codes);
                rows.map(|(&(text, most), code)| self.beside(*task, code.ids, text, most)).collect()
            }
        }
    }

    /// A text and its code, the second of them shifted behind the ids of the first. What does not fit is cut.
    fn beside(&self, task: Task, code: Vec<u16>, text: &[u8], most: usize) -> Result<Tokens, TokenError> {
        let bytes: Vec<u16> = text.iter().map(|&byte| byte.into()).collect();
        let coder = self.coder.as_ref().map_or(0, |coder| coder.vocabulary() as u16);
        let (given, wanted, shift) = match task {
            Task::Decompress => (code, bytes, coder),
            Task::Compress => (bytes, code, 256),
            Task::Text => (Vec::new(), bytes, 0),
        };
        if given.len() >= most {
            return Err(TokenError::RowTooShort { method: self.method.clone(), given: given.len(), row: most });
        }
        let all = wanted.len().max(1);
        let wanted: Vec<u16> = wanted.into_iter().map(|id| id + shift).take(most - given.len()).collect();
        let text = (text.len() * wanted.len() / all) as u64;
        Ok(Tokens { given: given.len(), ids: [given, wanted].concat(), text })
    }
}

fn segmentation(
    window_bits: u32,
    code: &str,
    reset: Reset,
    align: Align,
    context: usize,
) -> Result<Segmentation, TokenError> {
    let bits = WindowBits::from_bits(window_bits).ok_or(TokenError::Width { found: window_bits })?;
    let encoding = Encoding::from_name(code).ok_or_else(|| TokenError::Code { found: code.to_owned() })?;
    Ok(Segmentation { bits, encoding, context, reset, align })
}

fn zlib(text: &[u8]) -> Vec<u8> {
    let mut code = Vec::new();
    // Reading from memory does not fail.
    let _ = flate2::read::ZlibEncoder::new(text, flate2::Compression::default()).read_to_end(&mut code);
    code
}
