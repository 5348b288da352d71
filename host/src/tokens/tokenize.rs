//! Corpora to token shards that a language model trains on.
//!
//! Data flow: documents are joined and cut into [`Examples`]; each is one job for the workers, which a [`Tokenizer`]
//! turns into rows of tokens; rows come back in order and become [`shards`]. As in the paper, a row holds the first
//! tokens of its example, so methods that compress more show more of the same text; or, in [`RowLayout::Stream`], rows
//! hold all tokens of documents that are joined and not cut.

use std::error::Error;

use sha2::{Digest, Sha256};

use super::error::TokenError;
use super::examples::Examples;
use super::row::{Tokens, most_tokens};
use super::shards::{Manifest, RowLayout, ShardError, Writer};
use super::tokenizer::Tokenizer;
use crate::coding::CodingError;
use crate::digest::finished;
use crate::plan::Workers;

/// Turns documents into shards; `progress` is told the bytes of text as they are done.
///
/// # Errors
/// Those of the documents, the tokenizer and the files; what is there was made of other text.
pub fn tokenize<E: Into<Box<dyn Error + Send + Sync>>>(
    tokenizer: &Tokenizer,
    documents: impl Iterator<Item = Result<Vec<u8>, E>>,
    mut writer: Writer,
    workers: Workers,
    progress: impl Fn(u64),
) -> Result<Manifest, ShardError> {
    let settings = writer.manifest().settings.clone();
    let enough = |writer: &Writer| settings.tokens.is_some_and(|most| writer.tokens() >= most);
    let is_complete = writer.manifest().complete;
    // The digest of a corpus of files has been compared by now. Documents of a program have none, and are read.
    let is_known = is_complete && !settings.corpus_sha256.is_empty();
    if is_known || !is_complete && enough(&writer) {
        return writer.finish();
    }
    let length = if settings.layout == RowLayout::Stream { usize::MAX } else { tokenizer.method().example() };
    let documents = documents.map(|document| document.map_err(|error| ShardError::Documents(error.into())));
    let mut examples = Examples::new(documents, length);
    // What is on disk is read again, to know where it ends and whether it is the same, but not tokenized again.
    for shard in &writer.manifest().shards {
        let mut text = Sha256::new();
        for _ in 0..shard.examples {
            text.update(Sha256::digest(examples.next().ok_or(ShardError::ShorterCorpus)??));
        }
        if finished(text) != shard.text_sha256 {
            return Err(ShardError::OtherText { file: shard.file.clone() });
        }
    }
    if is_complete {
        let is_longer = settings.tokens.is_none() && examples.next().transpose()?.is_some();
        return if is_longer { Err(ShardError::LongerCorpus) } else { writer.finish() };
    }
    // A row ends where a window does.
    let sequence = settings.sequence;
    let whole = tokenizer.method().tokens_of_whole_windows();
    let row = if sequence >= whole { sequence - sequence % whole } else { sequence };
    let most = |example: &[u8]| match settings.layout {
        RowLayout::Examples => sequence,
        RowLayout::Stream => most_tokens(example.len()),
    };
    let left = settings.tokens.map_or(u64::MAX, |most| most - writer.tokens());
    // What was read to know how much there is.
    let mut ahead = Vec::new();
    let plan = tokenizer.plan(workers, |bytes| {
        let pays_from = tokenizer.likely_tokens(bytes);
        Ok::<_, ShardError>(pays_from as u64 <= left && pays(tokenizer, pays_from, &mut examples, most, &mut ahead))
    })?;
    let outcome = plan.run(
        ahead.into_iter().chain(examples).map(|example| example.map_err(Stop::Failed)),
        Vec::len,
        |worker, examples| {
            let texts: Vec<&[u8]> = examples.iter().map(|example| &example[..]).collect();
            let longest = texts.iter().map(|text| most(text)).max().unwrap_or(0);
            let all = tokenizer.tokens(worker, &texts, longest)?;
            Ok(examples.into_iter().zip(all).collect())
        },
        |(example, tokens): (Vec<u8>, Tokens)| {
            let rows = match settings.layout {
                RowLayout::Examples => vec![tokens],
                RowLayout::Stream => tokens.rows(row).collect(),
            };
            writer.push(rows, Sha256::digest(&example).into()).map_err(Stop::Failed)?;
            progress(example.len() as u64);
            if enough(&writer) { Err(Stop::Enough) } else { Ok(()) }
        },
    );
    match outcome {
        Err(Stop::Failed(error)) => Err(error),
        Ok(()) | Err(Stop::Enough) => writer.finish(),
    }
}

/// Whether there is text for `pays_from` tokens, of which `most` says how many are wanted of each example. Those that
/// it takes to know go to `ahead`.
fn pays(
    tokenizer: &Tokenizer,
    pays_from: usize,
    examples: &mut impl Iterator<Item = Result<Vec<u8>, ShardError>>,
    most: impl Fn(&[u8]) -> usize,
    ahead: &mut Vec<Result<Vec<u8>, ShardError>>,
) -> bool {
    let mut tokens = 0;
    while tokens < pays_from {
        let Some(example) = examples.next() else { return false };
        tokens += example.as_ref().map_or(0, |example| tokenizer.likely_tokens(example.len()).min(most(example)));
        let is_end = example.is_err();
        ahead.push(example);
        if is_end {
            return false;
        }
    }
    true
}

/// Why the work ends before the text does.
enum Stop {
    Enough,
    Failed(ShardError),
}

impl From<CodingError> for Stop {
    fn from(error: CodingError) -> Self {
        Self::Failed(error.into())
    }
}

impl From<TokenError> for Stop {
    fn from(error: TokenError) -> Self {
        Self::Failed(error.into())
    }
}
