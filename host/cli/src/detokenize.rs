//! `detokenize`: the text of tokens, from shards or from whatever drew them.

use std::borrow::Cow;
use std::io::{Read, Write};
use std::ops::Range;
use std::path::PathBuf;

use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use equalinfo::tokens::shards::{Part, RowLayout, Rows, Source};
use equalinfo::tokens::{TokenDecoder, Tokenizer};
use serde_json::json;

use super::decoding::DecodingArguments;
use super::files::{Destination, Input, Output, refuse_conflicts};
use super::messages::counted;
use super::options::range;
use crate::say;

/// Options of `detokenize`.
///
/// A row is a text. Where documents have ends, each document is: as JSON lines, which every command reads as documents again, or with --separator as it is;
/// what rows hold of a document is put together with --layout stream, whose rows follow from each other. Tokens of `ac`, `static-ac` and `gzip` do not decode
/// one by one, those of the paper's greedy code not at all.
#[derive(Debug, Clone, Args)]
pub struct DetokenizeArguments {
    /// Directories of token shards, or of such directories, all of the same tokens: they say what the tokens mean
    #[arg(value_name = "DIRECTORY", required = true, num_args = 1.., value_hint = clap::ValueHint::DirPath)]
    pub data: Vec<PathBuf>,

    /// Decode these tokens instead of the directory's: their numbers in text, a line a sample, separated by spaces,
    /// commas, semicolons, colons, quotes or brackets; - is stdin
    #[arg(long, value_name = "FILE", conflicts_with = "rows")]
    pub ids: Option<PathBuf>,

    /// Only these rows, counted from 0 through all directories (default: all)
    #[arg(long, value_name = "A..B", value_parser = range)]
    pub rows: Option<Range<u64>>,

    /// What follows each text (default: a line end; where documents have ends, JSON lines are written instead)
    #[arg(long, value_name = "TEXT")]
    pub separator: Option<String>,

    /// Output file; - is stdout
    #[arg(short, long, value_name = "FILE", default_value = "-")]
    pub output: PathBuf,

    /// Overwrite the output
    #[arg(short, long)]
    pub force: bool,

    #[command(flatten)]
    pub decoding: DecodingArguments,
}

/// Decodes.
///
/// # Errors
/// There are no such tokens, they do not decode, or the output cannot be written.
pub fn run(arguments: &DetokenizeArguments) -> Result<()> {
    let destination = Destination::from_argument(&arguments.output);
    let ids = arguments.ids.as_deref().map(Input::from_argument);
    refuse_conflicts(&ids, [&destination])?;
    let sources: Vec<Source> = arguments.data.iter().map(Source::from).collect();
    let parts = Part::all(&sources)?;
    let settings = &parts[0].manifest.settings;
    let tokenizer = arguments.decoding.tokenizer(settings)?;
    let mut texts = Texts {
        decoder: tokenizer.decoder()?,
        tokenizer,
        end: settings.end(),
        open: None,
        separator: match &arguments.separator {
            None if settings.end_of_document => None,
            separator => Some(separator.clone().unwrap_or_else(|| "\n".to_owned())),
        },
        not_utf8: 0,
        output: Output::create(&destination, arguments.force, false)?,
    };
    if let Some(input) = ids {
        let mut text = String::new();
        input.open()?.reader().read_to_string(&mut text).with_context(|| format!("{}: cannot read", input.name))?;
        for (number, line) in (1..).zip(text.trim_start_matches('\u{feff}').lines()) {
            let tokens = numbers(line, settings.vocabulary);
            texts.push(&tokens.with_context(|| format!("{}, line {number}", input.name))?)?;
            texts.close()?;
        }
    } else {
        let mut rows = Rows::open_all(parts.iter().map(|part| (&*part.directory, &part.manifest)))?;
        let count = rows.len() as u64;
        let wanted = arguments.rows.clone().unwrap_or(0..count);
        ensure!(wanted.start < count, "--rows: there are {count} rows");
        for number in wanted.start..wanted.end.min(count) {
            texts.push(&rows.row(number as usize)?.ids)?;
            let goes_on = texts.end.is_some() && settings.layout == RowLayout::Stream;
            if !goes_on {
                texts.close()?;
            }
        }
    }
    texts.finish()
}

/// Writes the texts of tokens.
struct Texts {
    tokenizer: Tokenizer,
    decoder: TokenDecoder,
    /// The token that ends a text.
    end: Option<u32>,
    /// What has been decoded of the text that is not complete yet.
    open: Option<Vec<u8>>,
    /// What follows each; `None`: they are lines of JSON.
    separator: Option<String>,
    /// Texts that JSON has no string for.
    not_utf8: u64,
    output: Output,
}

impl Texts {
    /// Takes more tokens: the rest of the open text, and others behind ends.
    fn push(&mut self, tokens: &[u32]) -> Result<()> {
        let end = self.end;
        for (number, tokens) in tokens.split(|&token| Some(token) == end).enumerate() {
            if number > 0 {
                self.close()?;
            }
            // There is no text behind the last end, unless a token of it comes.
            if end.is_none() || !tokens.is_empty() {
                let tokens: Vec<u16> = tokens.iter().map(|&token| token as u16).collect();
                self.open.get_or_insert_default().extend(self.decoder.push(&tokens)?);
            }
        }
        Ok(())
    }

    /// Ends the open text, if there is one.
    fn close(&mut self) -> Result<()> {
        let Some(mut text) = self.open.take() else { return Ok(()) };
        text.extend(std::mem::replace(&mut self.decoder, self.tokenizer.decoder()?).finish()?);
        let written = match &self.separator {
            Some(separator) => [&text, separator.as_bytes()].concat(),
            None => {
                let characters = String::from_utf8_lossy(&text);
                self.not_utf8 += u64::from(matches!(characters, Cow::Owned(_)));
                serde_json::to_string(&json!({ "text": characters }))?.into_bytes().into_iter().chain(*b"\n").collect()
            }
        };
        self.output.write_all(&written).context("cannot write")
    }

    fn finish(mut self) -> Result<()> {
        self.close()?;
        if self.not_utf8 > 0 {
            let texts = counted(self.not_utf8, "text");
            say!("{texts}: not UTF-8, so bytes were replaced by U+FFFD; --separator writes them as they are");
        }
        self.output.finish(None)
    }
}

/// Whether a character stands between numbers; JSON lines of lists and objects are made of these and of words.
fn separates(character: char) -> bool {
    character.is_whitespace() || ",;:\"'`()[]{}".contains(character)
}

/// The numbers in a line. Words without a digit, such as the names of a JSON object, are passed over.
fn numbers(line: &str, vocabulary: usize) -> Result<Vec<u32>> {
    let words = line.split(separates).filter(|word| word.contains(char::is_numeric));
    words
        .map(|word| match word.parse::<u32>() {
            Ok(token) if (token as usize) < vocabulary && !word.starts_with('+') => Ok(token),
            _ => bail!("{word} is no token: there are {vocabulary}, from 0"),
        })
        .collect()
}
