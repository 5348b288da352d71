//! A corpus becomes token shards.

use std::path::PathBuf;

use equalinfo::accelerator::Accelerator;
use equalinfo::corpus::{Corpus, CorpusOptions};
use equalinfo::cuda::{self, DeviceChoice};
use equalinfo::lexicon::LexiconKind;
use equalinfo::plan::Workers;
use equalinfo::tokens::shards::{Manifest, RowLayout, Settings, Writer};
use equalinfo::tokens::{LexiconOf, TokenMethod, TokenModel, Tokenizer};

use equalinfo::{ByteFrequencies, CodingModel, DEFAULT_MODEL, Lexicon, Subwords, store};

use crate::{LabError, Result};

/// What a method reads beside the text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ModelFile {
    /// M1, for methods that run it: a shipped model or the path of an `.m1q` file; `None`: the default one.
    M1(Option<String>),
    /// A lexicon, for method `lexicon`.
    Lexicon(PathBuf),
    /// A `tokenizer.json`, for methods `unigram`, `bpe` and `super-bpe`.
    Subwords(PathBuf),
}

/// How a corpus is turned into token shards; [`Default`] gives windows of 16 bits as tokens of 16 bits.
#[derive(Debug, Clone)]
pub struct TokenizeOptions {
    /// Text: files, directories or patterns.
    pub files: Vec<String>,
    /// How it is read.
    pub reading: CorpusOptions,
    /// Directory of the shards and their manifest.
    pub output: PathBuf,
    /// How text becomes tokens. The kind of a lexicon, and number and kind of subwords are taken from the file that [`Self::model`] names.
    pub method: TokenMethod,
    /// What the method reads beside the text.
    pub model: ModelFile,
    /// Bytes of context; `None`: the model's.
    pub context: Option<usize>,
    /// How rows are taken from the text.
    pub layout: RowLayout,
    /// Whether a token of its own follows each document.
    pub end_of_document: bool,
    /// Tokens in a row.
    pub sequence: usize,
    /// Rows in a shard.
    pub rows_per_shard: usize,
    /// Stop after this many tokens; `None`: the whole corpus.
    pub tokens: Option<u64>,
    /// Where M1 runs; the tokens are the same everywhere. [`DeviceChoice::Auto`] is the CPU.
    pub device: DeviceChoice,
    /// Threads; the tokens do not depend on them.
    pub threads: usize,
}

impl Default for TokenizeOptions {
    fn default() -> Self {
        Self {
            files: Vec::new(),
            reading: CorpusOptions::default(),
            output: PathBuf::new(),
            method: TokenMethod::EqualInfo {
                window_bits: 16,
                token_bits: 16,
                code: "default".to_owned(),
                reset: Default::default(),
                align: Default::default(),
            },
            model: ModelFile::M1(None),
            context: None,
            layout: RowLayout::Examples,
            end_of_document: false,
            sequence: 512,
            rows_per_shard: 8192,
            tokens: None,
            device: DeviceChoice::Auto,
            threads: cores(),
        }
    }
}

/// Threads that this machine runs at once.
pub(super) fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

impl TokenizeOptions {
    /// Loads what the method reads: M1, a lexicon, subwords, or byte frequencies where it needs none of them.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn load_model(&self) -> Result<TokenModel> {
        let base = match &self.method {
            TokenMethod::Seq2seq { of, .. } => of,
            method => method,
        };
        Ok(match &self.model {
            ModelFile::Lexicon(path) => Lexicon::open(path)?.into(),
            ModelFile::Subwords(path) => Subwords::open(path)?.into(),
            ModelFile::M1(name) if base.needs_m1() => store::named(name.as_deref().unwrap_or(DEFAULT_MODEL))?.into(),
            ModelFile::M1(_) => ByteFrequencies::english().into(),
        })
    }

    /// The corpus that the options name.
    ///
    /// # Errors
    /// Its files cannot be found.
    pub fn corpus(&self) -> Result<Corpus> {
        Ok(Corpus::new(&self.files, self.reading.clone())?)
    }

    /// The method with what the model's file says of it.
    fn method(&self, model: &TokenModel) -> TokenMethod {
        completed(&self.method, model)
    }
}

/// `method` with the kind of its lexicon, or number and kind of its subwords.
fn completed(method: &TokenMethod, model: &TokenModel) -> TokenMethod {
    match (method, model) {
        (TokenMethod::Lexicon { token_bits, .. }, TokenModel::Coding(CodingModel::Lexicon(lexicon))) => {
            let kind = match lexicon.kind() {
                LexiconKind::WindowCode => LexiconOf::WindowCode,
                LexiconKind::Optimal => LexiconOf::Optimal,
            };
            TokenMethod::Lexicon { token_bits: *token_bits, kind }
        }
        (method, TokenModel::Subwords(subwords)) if method.pieces().is_some() => TokenMethod::subwords(subwords),
        (TokenMethod::Seq2seq { task, of, example }, _) => {
            TokenMethod::Seq2seq { task: *task, of: Box::new(completed(of, model)), example: *example }
        }
        (other, _) => other.clone(),
    }
}

/// The GPU that runs M1, if one was asked for.
fn gpu(options: &TokenizeOptions, model: &TokenModel, context: usize) -> Result<Option<Box<dyn Accelerator>>> {
    match model {
        TokenModel::Coding(CodingModel::Model(model)) if options.device == DeviceChoice::Cuda => {
            Ok(cuda::open(cuda::choose(options.device, 0)?, model, context)?)
        }
        _ if options.device == DeviceChoice::Cuda => Err(LabError::OnlyM1OnGpu),
        _ => Ok(None),
    }
}

/// Turns a corpus into token shards, or continues what was interrupted; `command` is what the manifest says that began it, and `progress` is told the bytes of
/// text as they are done.
///
/// # Errors
/// The model or the corpus cannot be read, the directory holds tokens of other settings or of another text, or the shards cannot be written.
pub fn tokenize(options: &TokenizeOptions, corpus: &Corpus, command: &str, progress: impl Fn(u64)) -> Result<Manifest> {
    let model = options.load_model()?;
    let method = options.method(&model);
    let context = super::context(options.context, model.context())?;
    let gpu = gpu(options, &model, context)?;
    let workers = gpu.as_deref().map_or(Workers::Threads(options.threads), Workers::Accelerator);
    let tokenizer = Tokenizer::new(method, model, context)?;
    let settings = Settings {
        vocabulary: tokenizer.method().vocabulary_with(options.end_of_document)?,
        end_of_document: options.end_of_document,
        sequence: options.sequence,
        rows_per_shard: options.rows_per_shard,
        corpus: options.files.clone(),
        corpus_sha256: corpus.digest()?,
        shard: options.reading.shard.map(|shard| shard.to_string()),
        text_field: options.reading.text_field.clone(),
        lines: options.reading.lines,
        limit: options.reading.limit,
        tokens: options.tokens,
        layout: options.layout,
        ..Settings::new(&tokenizer)
    };
    let writer = Writer::open(&options.output, settings, command)?;
    Ok(equalinfo::tokens::tokenize(&tokenizer, corpus.documents(), writer, workers, progress)?)
}
