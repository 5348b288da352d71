//! `tokenize`: corpora to token shards that a language model trains on.
//!
//! Data flow: documents are joined and cut into [`examples`]; each is one job for the threads, which a [`tokenizer::Tokenizer`] turns into
//! rows of tokens; rows come back in order and become [`shards`]. As in the paper, a row holds the first tokens of its example, so methods that
//! compress more show more of the same text; or, in [`shards::Layout::Stream`], rows hold all tokens of documents that are joined and not cut.

pub mod examples;
pub mod method;
pub mod shards;
pub mod subwords;
pub mod tokenizer;

use anyhow::{Context, Result, ensure};
use sha2::{Digest, Sha256};

use crate::compress::Workers;
use crate::compress::lockstep::LANES;
use crate::compress::ordered::{batched, grouped, ordered};
use examples::Examples;
use shards::{Layout, Manifest, Writer};
use tokenizer::{Tokenizer, Tokens, most_tokens};

/// Turns documents into shards; `progress` is told the bytes of text as they are done.
///
/// # Errors
/// Those of the documents, the tokenizer and the files; what is there was made of other text.
pub fn tokenize(
    tokenizer: &Tokenizer<'_>,
    documents: impl Iterator<Item = Result<Vec<u8>>>,
    mut writer: Writer,
    workers: &Workers,
    progress: impl Fn(u64),
) -> Result<Manifest> {
    let settings = writer.manifest().settings.clone();
    let enough = |writer: &Writer| settings.tokens.is_some_and(|most| writer.tokens() >= most);
    if writer.manifest().complete || enough(&writer) {
        return writer.finish();
    }
    let length = if settings.layout == Layout::Stream { usize::MAX } else { tokenizer.method().example() };
    let mut examples = Examples::new(documents, length);
    // What is on disk is read again, to know where it ends and whether it is the same, but not tokenized again.
    for shard in &writer.manifest().shards {
        let mut text = Sha256::new();
        for _ in 0..shard.examples {
            text.update(Sha256::digest(examples.next().context("the corpus has become shorter")??));
        }
        ensure!(
            shards::hex(&text.finalize()) == shard.text_sha256,
            "{}: made of other text than the corpus has now; choose another --output",
            shard.file
        );
    }
    // A row ends where a window does.
    let sequence = settings.sequence;
    let whole = tokenizer.method().tokens_of_whole_windows();
    let row = if sequence >= whole { sequence - sequence % whole } else { sequence };
    let most = |example: &[u8]| match settings.layout {
        Layout::Examples => sequence,
        Layout::Stream => most_tokens(example.len()),
    };
    let left = settings.tokens.map_or(u64::MAX, |most| most - writer.tokens());
    let mut ahead = Vec::new();
    let compiled = match workers {
        Workers::Threads(threads) if pays(tokenizer, left, &mut examples, most, &mut ahead) => {
            Some(tokenizer.compiled(*threads)?)
        }
        _ => None,
    };
    let tokenizer = compiled.as_ref().unwrap_or(tokenizer);
    let mut consume = |(example, tokens): (Vec<u8>, Tokens)| -> Result<(), Stop> {
        let rows = match settings.layout {
            Layout::Examples => vec![tokens],
            Layout::Stream => tokens.rows(row).collect(),
        };
        writer.push(rows, Sha256::digest(&example).into()).map_err(Stop::Failed)?;
        progress(example.len() as u64);
        if enough(&writer) { Err(Stop::Enough) } else { Ok(()) }
    };
    let examples = ahead.into_iter().chain(examples).map(|example| example.map_err(Stop::Failed));
    let outcome = match (workers, tokenizer.lanes()) {
        (Workers::Threads(threads), Some(lanes)) => ordered(
            *threads,
            grouped(*threads, LANES, examples),
            || lanes().map_err(Stop::Failed),
            |lanes, some| together(some, most, |texts, most| tokenizer.tokenize_lanes(lanes, texts, most)),
            |all| all?.into_iter().try_for_each(&mut consume),
        ),
        (Workers::Threads(threads), None) => ordered(
            *threads,
            examples,
            || tokenizer.session().map_err(Stop::Failed),
            |session, example: Vec<u8>| {
                let tokens = tokenizer.tokenize(session, &example, most(&example));
                (example, tokens)
            },
            |(example, tokens): (Vec<u8>, Result<Tokens>)| consume((example, tokens.map_err(Stop::Failed)?)),
        ),
        (Workers::Batch(batch), _) => {
            let work = |some| together(some, most, |texts, most| tokenizer.tokenize_batch(batch.as_ref(), texts, most));
            batched(batch.texts(), examples, Vec::len, work, consume)
        }
    };
    match outcome {
        Err(Stop::Failed(error)) => Err(error),
        Ok(()) | Err(Stop::Enough) => writer.finish(),
    }
}

/// Whether the tokenizer's lexicon pays for examples of which `most` says how many tokens are wanted, and `left` how many in all. Those that it takes to know go to
/// `ahead`.
fn pays(
    tokenizer: &Tokenizer<'_>,
    left: u64,
    examples: &mut impl Iterator<Item = Result<Vec<u8>>>,
    most: impl Fn(&[u8]) -> usize,
    ahead: &mut Vec<Result<Vec<u8>>>,
) -> bool {
    let Some(pays_from) = tokenizer.compiled_from().filter(|&tokens| tokens as u64 <= left) else { return false };
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

/// Examples with their tokens, which `tokens` makes of all texts at once, so many of each at most.
fn together(
    examples: Vec<Vec<u8>>,
    most: impl Fn(&[u8]) -> usize,
    tokens: impl FnOnce(&[&[u8]], usize) -> Result<Vec<Tokens>>,
) -> Result<Vec<(Vec<u8>, Tokens)>, Stop> {
    let texts: Vec<&[u8]> = examples.iter().map(|example| &example[..]).collect();
    let longest = texts.iter().map(|text| most(text)).max().unwrap_or(0);
    let all = tokens(&texts, longest).map_err(Stop::Failed)?;
    Ok(examples.into_iter().zip(all).collect())
}

/// Why the work ends before the text does.
enum Stop {
    Enough,
    Failed(anyhow::Error),
}

#[cfg(test)]
mod tests;
