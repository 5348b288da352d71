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

use crate::compress::ordered::ordered;
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
    threads: usize,
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
    let rows = |session: &mut _, example: &[u8]| -> Result<Vec<Tokens>> {
        Ok(match settings.layout {
            Layout::Examples => vec![tokenizer.tokenize(session, example, sequence)?],
            Layout::Stream => tokenizer.tokenize(session, example, most_tokens(example.len()))?.rows(row).collect(),
        })
    };
    let outcome = ordered(
        threads,
        examples.map(|example| example.map_err(Stop::Failed)),
        || tokenizer.session().map_err(Stop::Failed),
        |session, example| (example.len() as u64, rows(session, &example), Sha256::digest(&example).into()),
        |(length, rows, digest): (u64, Result<Vec<Tokens>>, [u8; 32])| {
            writer.push(rows.map_err(Stop::Failed)?, digest).map_err(Stop::Failed)?;
            progress(length);
            if enough(&writer) {
                return Err(Stop::Enough);
            }
            Ok(())
        },
    );
    match outcome {
        Err(Stop::Failed(error)) => Err(error),
        Ok(()) | Err(Stop::Enough) => writer.finish(),
    }
}

/// Why the work ends before the text does.
enum Stop {
    Enough,
    Failed(anyhow::Error),
}

#[cfg(test)]
mod tests;
