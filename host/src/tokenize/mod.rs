//! `tokenize`: corpora to token shards that a language model trains on.
//!
//! Data flow: documents are joined and cut into [`examples`]; each is one job for the threads, which a [`method::Tokenizer`] turns into a
//! row of tokens; rows come back in order and become [`shards`]. A row holds the first tokens of its example, as in the paper, so methods that
//! compress more show more of the same text.

pub mod examples;
pub mod method;
pub mod shards;

use anyhow::Result;

use crate::compress::ordered::ordered;
use examples::Examples;
use method::{Tokenizer, Tokens};
use shards::{Manifest, Writer};

/// Turns documents into shards; `progress` is told the bytes of text as they are done.
///
/// # Errors
/// Those of the documents, the tokenizer and the files.
pub fn tokenize(
    tokenizer: &Tokenizer<'_>,
    documents: impl Iterator<Item = Result<Vec<u8>>>,
    mut writer: Writer,
    threads: usize,
    progress: impl Fn(u64),
) -> Result<Manifest> {
    let (sequence, most) = (writer.manifest().settings.sequence, writer.manifest().settings.tokens);
    let enough = |writer: &Writer| most.is_some_and(|most| writer.tokens() >= most);
    if writer.manifest().complete || enough(&writer) {
        return writer.finish();
    }
    let done = writer.rows_done();
    // What is on disk is read again, to know where it ends, but not tokenized again.
    let outcome = ordered(
        threads,
        Examples::new(documents).skip(done).map(|example| example.map_err(Stop::Failed)),
        || tokenizer.session().map_err(Stop::Failed),
        |session, example| (example.len() as u64, tokenizer.tokenize(session, &example, sequence)),
        |(length, row): (u64, Result<Tokens>)| {
            writer.push(row.map_err(Stop::Failed)?).map_err(Stop::Failed)?;
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
