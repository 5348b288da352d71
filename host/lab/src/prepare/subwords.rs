//! Vocabularies of subwords.

use equalinfo::corpus::{Corpus, CorpusOptions};
use equalinfo::subwords;

use crate::Result;

/// How a vocabulary is trained.
#[derive(Debug, Clone)]
pub struct SubwordOptions {
    /// Text: files, directories or patterns.
    pub corpus: Vec<String>,
    /// How it is read.
    pub reading: CorpusOptions,
    /// Tokens: the 256 bytes among them, and one for what is unknown to a Unigram.
    pub vocabulary: usize,
    /// How pieces are found.
    pub trainer: SubwordTrainer,
}

/// How pieces are found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SubwordTrainer {
    /// By their probabilities, as SentencePiece does.
    #[default]
    Unigram,
    /// By merging pairs.
    Bpe {
        /// Tokens that are merged across words, after the others.
        superwords: usize,
    },
}

impl Default for SubwordOptions {
    fn default() -> Self {
        Self {
            corpus: Vec::new(),
            reading: CorpusOptions::default(),
            vocabulary: 32_000,
            trainer: SubwordTrainer::default(),
        }
    }
}

impl SubwordOptions {
    /// The corpus that the options name.
    ///
    /// # Errors
    /// Its files cannot be found.
    pub fn corpus(&self) -> Result<Corpus> {
        Ok(Corpus::new(&self.corpus, self.reading.clone())?)
    }
}

/// Trains a vocabulary and returns its `tokenizer.json`, the same bytes for the same options and text.
///
/// # Errors
/// The corpus cannot be read or has too little text, or the vocabulary is too small or too large.
pub fn train(options: &SubwordOptions, corpus: &Corpus) -> Result<String> {
    Ok(match options.trainer {
        SubwordTrainer::Unigram => subwords::train(corpus.documents(), options.vocabulary)?,
        SubwordTrainer::Bpe { superwords } => subwords::train_bpe(corpus.documents(), options.vocabulary, superwords)?,
    })
}
