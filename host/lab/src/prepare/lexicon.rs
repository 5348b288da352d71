//! A model compiled into the texts of all codes of 16 bits.

use equalinfo::corpus::{Corpus, CorpusOptions};
use equalinfo::lexicon::{Lexicon, LexiconKind, build as compile, build_optimal};
use equalinfo::{DEFAULT_MODEL, Model, store};

use crate::{LabError, Result};

/// How a lexicon is built.
#[derive(Debug, Clone)]
pub struct LexiconOptions {
    /// Which texts it has.
    pub kind: LexiconKind,
    /// M1: a shipped model or the path of an `.m1q` file; `None`: the default one.
    pub model: Option<String>,
    /// For [`LexiconKind::Optimal`]: text to learn from where codes begin; nothing is read for the other kind.
    pub corpus: Vec<String>,
    /// Bytes of the corpus that are read.
    pub limit: u64,
    /// The most bytes in a text; `None`: the model's context.
    pub context: Option<usize>,
    /// Threads; the lexicon does not depend on them.
    pub threads: usize,
}

impl Default for LexiconOptions {
    fn default() -> Self {
        Self {
            kind: LexiconKind::WindowCode,
            model: None,
            corpus: Vec::new(),
            limit: 64 << 20,
            context: None,
            threads: super::tokens::cores(),
        }
    }
}

impl LexiconOptions {
    /// How the corpus is read.
    pub fn reading(&self) -> CorpusOptions {
        CorpusOptions { limit: Some(self.limit), ..CorpusOptions::default() }
    }

    /// The corpus that the options name, if they name one.
    ///
    /// # Errors
    /// Its files cannot be found.
    pub fn corpus(&self) -> Result<Option<Corpus>> {
        if self.corpus.is_empty() { Ok(None) } else { Ok(Some(Corpus::new(&self.corpus, self.reading())?)) }
    }
}

/// A lexicon and what it was built from.
pub struct BuiltLexicon {
    /// The lexicon, with the bytes of its `.lex` file.
    pub lexicon: Lexicon,
    /// Texts that have a code, of 65,536.
    pub texts: usize,
    /// The model that it was compiled from.
    pub model: Model,
}

/// Builds a lexicon, an optimal one with what a corpus shows.
///
/// # Errors
/// The model or the corpus cannot be read, the context is longer than the model's, or the corpus holds no text.
pub fn build(options: &LexiconOptions, corpus: Option<&Corpus>) -> Result<BuiltLexicon> {
    let model = store::named(options.model.as_deref().unwrap_or(DEFAULT_MODEL))?;
    let context = super::context(options.context, model.context())?;
    let engine = model.engine();
    let image = match corpus.filter(|_| options.kind == LexiconKind::Optimal) {
        Some(corpus) => build_optimal(engine, context, options.threads, &sample(corpus)?)?,
        None => compile(engine, options.kind, context, options.threads)?,
    };
    let lexicon = Lexicon::from_bytes(image)?;
    let view = lexicon.view();
    // What was built is looked at as a decoder would: each text that has a code is found again.
    let codes = (0..=u16::MAX).filter(|&code| {
        let text: Vec<u8> = view.text(code).collect();
        view.encode(&text) == (code, text.len())
    });
    let texts = codes.count();
    if texts <= 256 {
        return Err(LabError::FewCodes(texts));
    }
    Ok(BuiltLexicon { lexicon, texts, model })
}

/// The documents of the corpus.
fn sample(corpus: &Corpus) -> Result<Vec<Vec<u8>>> {
    let sample = corpus.documents().collect::<Result<Vec<_>, _>>()?;
    if sample.iter().all(Vec::is_empty) { Err(LabError::NoText) } else { Ok(sample) }
}
