//! The vocabulary of method `unigram`.

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
    /// Tokens: the 256 bytes and one for what is unknown among them.
    pub vocabulary: usize,
}

impl Default for SubwordOptions {
    fn default() -> Self {
        Self { corpus: Vec::new(), reading: CorpusOptions::default(), vocabulary: 32_000 }
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
    Ok(subwords::train(corpus.documents(), options.vocabulary)?)
}
