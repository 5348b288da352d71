//! Corpora to token shards that a language model trains on.
//!
//! Data flow: documents are joined and cut into [`Examples`]; each is one job for the workers, which a [`Tokenizer`]
//! turns into rows of tokens; rows come back in order and become [`shards`]. As in the paper, a row holds the first
//! tokens of its example, so methods that compress more show more of the same text; or, in [`RowLayout::Stream`], rows
//! hold all tokens of documents that are joined and not cut. Where documents have ends, each is tokenized alone, and a
//! token that no text has follows it.

use std::error::Error;

use sha2::{Digest, Sha256};

use super::error::TokenError;
use super::examples::{Example, Examples};
use super::row::{Ended, Row, most_tokens, rows};
use super::shards::{Manifest, RowLayout, Settings, ShardError, Writer};
use super::tokenizer::Tokenizer;
use crate::coding::CodingError;
use crate::digest::finished;
use crate::plan::{Worker, Workers};

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
            text.update(digest(&examples.next().ok_or(ShardError::ShorterCorpus)??, &settings));
        }
        if finished(text) != shard.text_sha256 {
            return Err(ShardError::OtherText { file: shard.file.clone() });
        }
    }
    if is_complete {
        let is_longer = settings.tokens.is_none() && examples.next().transpose()?.is_some();
        return if is_longer { Err(ShardError::LongerCorpus) } else { writer.finish() };
    }
    let layout = Layout { settings: &settings, whole: tokenizer.method().tokens_of_whole_windows() };
    let left = settings.tokens.map_or(u64::MAX, |most| most - writer.tokens());
    // What was read to know how much there is.
    let mut ahead = Vec::new();
    let plan = tokenizer.plan(workers, |bytes| {
        let pays_from = tokenizer.likely_tokens(bytes);
        Ok::<_, ShardError>(pays_from as u64 <= left && pays(tokenizer, pays_from, &mut examples, &layout, &mut ahead))
    })?;
    let outcome = plan.run(
        ahead.into_iter().chain(examples).map(|example| example.map_err(Stop::Failed)),
        |example| example.text.len(),
        |worker, examples| {
            let all = layout.rows(tokenizer, worker, &examples)?;
            Ok(examples.into_iter().zip(all).collect())
        },
        |(example, rows): (Example, Vec<Row>)| {
            writer.push(rows, digest(&example, &settings)).map_err(Stop::Failed)?;
            progress(example.text.len() as u64);
            if enough(&writer) { Err(Stop::Enough) } else { Ok(()) }
        },
    );
    match outcome {
        Err(Stop::Failed(error)) => Err(error),
        Ok(()) | Err(Stop::Enough) => writer.finish(),
    }
}

/// What an example was: its text, and where ends of documents count, those.
fn digest(example: &Example, settings: &Settings) -> [u8; 32] {
    let text = Sha256::digest(&example.text);
    if !settings.end_of_document {
        return text.into();
    }
    let ends = example.ends.iter().fold(Sha256::new(), |all, &end| all.chain_update((end as u64).to_le_bytes()));
    Sha256::new().chain_update(text).chain_update(ends.finalize()).finalize().into()
}

/// How examples become rows.
struct Layout<'a> {
    settings: &'a Settings,
    /// Tokens that stay together: a row ends where a window does.
    whole: usize,
}

impl Layout<'_> {
    /// Tokens of a text that are wanted at most.
    fn most(&self, text: &[u8]) -> usize {
        match self.settings.layout {
            RowLayout::Examples => self.settings.sequence,
            RowLayout::Stream => most_tokens(text.len()),
        }
    }

    /// The rows of each example.
    fn rows(
        &self,
        tokenizer: &Tokenizer,
        worker: &mut Worker,
        examples: &[Example],
    ) -> Result<Vec<Vec<Row>>, TokenError> {
        let Self { settings: &Settings { layout, sequence, .. }, whole } = *self;
        let row = if sequence >= whole { sequence - sequence % whole } else { sequence };
        let Some(end) = self.settings.end() else {
            let texts = examples.iter().map(|example| &example.text[..]);
            let wanted: Vec<(&[u8], usize)> = texts.map(|text| (text, self.most(text))).collect();
            let tokens = tokenizer.first_of_each(worker, &wanted)?.into_iter();
            return Ok(tokens
                .map(|tokens| match layout {
                    RowLayout::Examples => vec![tokens.into()],
                    RowLayout::Stream => rows([(tokens, None)], row, whole),
                })
                .collect());
        };
        let documents = self.documents(tokenizer, worker, examples, end)?.into_iter();
        Ok(documents
            .map(|documents| match layout {
                // They fill no more than a row.
                RowLayout::Examples => rows(documents, sequence, 1),
                RowLayout::Stream => rows(documents, row, whole),
            })
            .collect())
    }

    /// The tokens of each document, or part of one, of each example, with the end of those that end in it.
    ///
    /// Of an example whose first tokens are wanted no more documents are tokenized than fill a row: one of each example
    /// at a time.
    fn documents(
        &self,
        tokenizer: &Tokenizer,
        worker: &mut Worker,
        examples: &[Example],
        end: u32,
    ) -> Result<Vec<Vec<Ended>>, TokenError> {
        let (together, room) = match self.settings.layout {
            RowLayout::Examples => (1, self.settings.sequence),
            RowLayout::Stream => (usize::MAX, usize::MAX),
        };
        let mut left: Vec<_> = examples.iter().map(Example::documents).collect();
        let mut room = vec![room; examples.len()];
        let mut texts = vec![Vec::new(); examples.len()];
        loop {
            let (mut wanted, mut of) = (Vec::new(), Vec::new());
            for (index, documents) in left.iter_mut().enumerate().filter(|(index, _)| room[*index] > 0) {
                for (text, is_end) in documents.by_ref().take(together) {
                    wanted.push((text, self.most(text).min(room[index])));
                    of.push((index, is_end));
                }
            }
            if wanted.is_empty() {
                return Ok(texts);
            }
            for ((index, is_end), tokens) in of.into_iter().zip(tokenizer.first_of_each(worker, &wanted)?) {
                room[index] -= tokens.ids.len();
                // Where the row is full, the document may be cut.
                let has_end = is_end && room[index] > 0;
                room[index] -= usize::from(has_end);
                texts[index].push((tokens, has_end.then_some(end)));
            }
        }
    }
}

/// Whether there is text for `pays_from` tokens, of which the layout says how many are wanted of each example. Those
/// that it takes to know go to `ahead`.
fn pays(
    tokenizer: &Tokenizer,
    pays_from: usize,
    examples: &mut impl Iterator<Item = Result<Example, ShardError>>,
    layout: &Layout,
    ahead: &mut Vec<Result<Example, ShardError>>,
) -> bool {
    let mut tokens = 0;
    while tokens < pays_from {
        let Some(example) = examples.next() else { return false };
        let likely = |text: &[u8]| tokenizer.likely_tokens(text.len()).min(layout.most(text));
        tokens += example.as_ref().map_or(0, |example| likely(&example.text));
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
