//! `manifest.json`: what tokens are, what they were made of, and in which files they lie.

use std::collections::BTreeSet;
use std::fmt::{self, Display};
use std::io::Read;
use std::path::{Component, Path};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use super::error::ShardError;
use crate::coding::LONGEST_CONTEXT;
use crate::digest::finished;
use crate::files::{open_regular, write};
use crate::tokens::error::TokenError;
use crate::tokens::method::TokenMethod;
use crate::tokens::tokenizer::Tokenizer;

pub(super) const FORMAT: &str = "equalinfo-tokens-3";
/// The manifest's name in the directory of a corpus.
pub const MANIFEST: &str = "manifest.json";
/// The most tokens in a row.
pub const LONGEST_ROW: usize = 1 << 16;
/// The most rows in a shard.
const MOST_ROWS: usize = u32::MAX as usize;

/// How rows are taken from text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RowLayout {
    /// The first tokens of each example of 10,240 bytes, as in the paper
    #[default]
    Examples,
    /// All tokens of 128 documents that are joined, row after row
    Stream,
}

/// What a directory of shards was made of. Shards of other settings are not continued.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    /// How text became tokens.
    #[serde(flatten)]
    pub method: TokenMethod,
    /// The method's name in the paper's tables.
    pub name: String,
    /// Different tokens, the end of a document included.
    pub vocabulary: usize,
    /// Whether a token of its own follows each document, the last of the vocabulary. Each document is then coded alone.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub end_of_document: bool,
    /// How rows are taken from text.
    pub layout: RowLayout,
    /// The name of M1, the lexicon, the frequencies or the subwords, for methods that have one.
    pub model: Option<String>,
    /// Its id, in hexadecimal digits.
    pub model_id: Option<String>,
    /// Bytes of M1's context.
    pub context: usize,
    /// Tokens in a row.
    pub sequence: usize,
    /// Rows in a shard.
    pub rows_per_shard: usize,
    /// The input, as it was named. The same text under other names is the same input.
    pub corpus: Vec<String>,
    /// Its [digest](crate::corpus::Corpus::digest); empty for documents of a program, which are compared as they are read.
    pub corpus_sha256: String,
    /// The part of it that was read, as `i/n`.
    pub shard: Option<String>,
    /// The field or column that holds the text.
    pub text_field: String,
    /// Whether every line of a plain text is a document of its own.
    pub lines: bool,
    /// Bytes of text after which reading stopped.
    pub limit: Option<u64>,
    /// Tokens after which no more rows were made.
    pub tokens: Option<u64>,
}

impl Settings {
    /// The tool's settings for the tokens of a tokenizer and documents of a program: rows of 512 tokens, 8,192 in a shard.
    pub fn new(tokenizer: &Tokenizer) -> Self {
        let (method, model) = (tokenizer.method(), tokenizer.model());
        let has_model = !matches!(method, TokenMethod::Bytes | TokenMethod::Gzip { .. });
        Self {
            name: method.to_string(),
            vocabulary: method.vocabulary(),
            layout: RowLayout::default(),
            model: model.name().filter(|_| has_model).map(str::to_owned),
            model_id: model.id().filter(|_| has_model).map(|id| format!("{id:016x}")),
            context: tokenizer.context(),
            sequence: 512,
            rows_per_shard: 8192,
            corpus: Vec::new(),
            corpus_sha256: String::new(),
            shard: None,
            text_field: "text".to_owned(),
            lines: false,
            limit: None,
            tokens: None,
            end_of_document: false,
            method: method.clone(),
        }
    }

    /// What ids mean.
    pub fn meaning(&self) -> Meaning {
        let Self { method, end_of_document, model, model_id, context, sequence, .. } = self.clone();
        Meaning { method, end_of_document, model, model_id, context, sequence }
    }

    /// The token that ends a document, if there is one.
    pub fn end(&self) -> Option<u32> {
        self.end_of_document.then(|| self.method.vocabulary() as u32)
    }

    /// Where `self` is not what `expected` says, except for the names of the input.
    pub fn differences(&self, expected: &Self) -> Vec<Difference> {
        differences(self, expected, &["corpus"])
    }

    /// Checks sizes and names that a manifest could have and no tokens do.
    fn check(&self) -> Result<(), Wrong> {
        let other = |error: TokenError| Wrong::Other(error.to_string());
        self.method.check().map_err(other)?;
        expect("name", &self.name, &self.method.to_string())?;
        expect("vocabulary", self.vocabulary, self.method.vocabulary_with(self.end_of_document).map_err(other)?)?;
        within("sequence", self.sequence, 1, LONGEST_ROW)?;
        within("rows_per_shard", self.rows_per_shard, 1, MOST_ROWS)?;
        within("context", self.context, 1, LONGEST_CONTEXT)
    }
}

/// Something that is not what it should be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Difference {
    /// What.
    pub what: String,
    /// What it is.
    pub found: String,
    /// What it should be.
    pub expected: String,
}

impl Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { what, found, expected } = self;
        write!(f, "{what} {found}, expected {expected}")
    }
}

/// Where a structure is not what another one says, by the names of its fields as JSON has them, apart from some.
pub fn differences<T: Serialize>(found: &T, expected: &T, ignored: &[&str]) -> Vec<Difference> {
    let fields = |value: &T| match serde_json::to_value(value) {
        Ok(Value::Object(fields)) => fields,
        _ => Map::new(),
    };
    let of = |fields: &Map<String, Value>, name: &str| match fields.get(name) {
        None | Some(Value::Null) => "none".to_owned(),
        Some(Value::String(text)) => text.clone(),
        Some(value) => value.to_string(),
    };
    let (found, expected) = (fields(found), fields(expected));
    let names: BTreeSet<&String> = found.keys().chain(expected.keys()).collect();
    let counts = |name: &&String| !ignored.contains(&name.as_str()) && found.get(*name) != expected.get(*name);
    let different = names.into_iter().filter(counts);
    different
        .map(|name| Difference { what: name.clone(), found: of(&found, name), expected: of(&expected, name) })
        .collect()
}

/// Differences, one after the other, but for those that cannot be told unless there are no others: settings that one
/// side lacks and the other calls `none`.
pub fn listed(differences: &[Difference]) -> String {
    let (told, alike): (Vec<_>, Vec<_>) = differences.iter().partition(|it| it.found != it.expected);
    let shown = if told.is_empty() { alike } else { told };
    shown.into_iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

/// What ids mean: a model of tokens and the tokens that it is shown must have it in common.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Meaning {
    /// How text became tokens, the window code included.
    #[serde(flatten)]
    pub method: TokenMethod,
    /// Whether a token of its own follows each document.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub end_of_document: bool,
    /// The name of M1, the lexicon, the frequencies or the subwords, for methods that have one.
    pub model: Option<String>,
    /// Its id, in hexadecimal digits.
    pub model_id: Option<String>,
    /// Bytes of M1's context.
    pub context: usize,
    /// Tokens in a row.
    pub sequence: usize,
}

impl Meaning {
    /// Whether ids mean the same. Models are told apart by their ids, not by their names.
    pub fn agrees(&self, other: &Self) -> bool {
        let of = |meaning: &Self| Self { model: None, ..meaning.clone() };
        of(self) == of(other)
    }
}

impl Display for Meaning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.method)?;
        if let (Some(model), Some(id)) = (&self.model, &self.model_id) {
            write!(f, " of {model} {id} with a context of {}", self.context)?;
        }
        write!(f, " in rows of {}", self.sequence)?;
        if self.end_of_document { write!(f, ", with ends of documents") } else { Ok(()) }
    }
}

/// What is wrong with a manifest.
enum Wrong {
    Difference(Difference),
    Other(String),
}

impl Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Difference(difference) => difference.fmt(f),
            Self::Other(wrong) => wrong.fmt(f),
        }
    }
}

fn expect<T: PartialEq + Display>(what: &str, found: T, expected: T) -> Result<(), Wrong> {
    if found == expected {
        return Ok(());
    }
    let [found, expected] = [found, expected].map(|value| value.to_string());
    Err(Wrong::Difference(Difference { what: what.to_owned(), found, expected }))
}

fn within(what: &str, found: usize, least: usize, most: usize) -> Result<(), Wrong> {
    if (least..=most).contains(&found) {
        return Ok(());
    }
    let expected = format!("{least} to {most}");
    Err(Wrong::Difference(Difference { what: what.to_owned(), found: found.to_string(), expected }))
}

/// A file of tokens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shard {
    /// Tokens, `[rows, sequence]`, little-endian; a row is filled up with zeros.
    pub file: String,
    /// `[rows, 3]` of u32: a row's tokens, how many of the first of them are given without a loss, and the bytes of
    /// text that the others stand for.
    pub row_file: String,
    /// Rows in it.
    pub rows: usize,
    /// Examples that the rows were made of.
    pub examples: usize,
    /// The SHA-256 of all their SHA-256.
    pub text_sha256: String,
    /// Tokens with a loss: neither padding nor given.
    pub tokens: u64,
    /// Bytes of text that they stand for.
    pub text: u64,
    /// Of the two files' content.
    pub sha256: String,
}

impl Shard {
    /// Files are named plainly: they lie beside the manifest.
    fn check(&self) -> Result<(), Wrong> {
        for name in [&self.file, &self.row_file] {
            let mut parts = Path::new(name).components();
            let is_plain =
                matches!((parts.next(), parts.next()), (Some(Component::Normal(part)), None) if part == &name[..]);
            if !is_plain {
                return Err(Wrong::Other(format!("file {name:?}: expected the name of a file beside the manifest")));
            }
        }
        within("rows of a shard", self.rows, 1, MOST_ROWS)
    }
}

/// The contents of `manifest.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// The version of the format.
    pub format: String,
    /// What began it.
    pub command: String,
    /// The version of this crate.
    pub version: String,
    /// What the shards were made of.
    pub settings: Settings,
    /// Whether all that was asked for is there.
    pub complete: bool,
    /// The files, in the order of the text.
    pub shards: Vec<Shard>,
}

/// What is read of a manifest first: another version may have other fields.
#[derive(Deserialize)]
struct Version {
    format: String,
}

impl Manifest {
    /// Reads the manifest of a directory, if it has one.
    ///
    /// # Errors
    /// It cannot be read, is not a manifest, or says what no tokens are.
    pub fn load(directory: &Path) -> Result<Option<Self>, ShardError> {
        let path = directory.join(MANIFEST);
        if !path.exists() {
            return Ok(None);
        }
        let mut text = Vec::new();
        let (mut file, _) = open_regular(&path)?;
        file.read_to_end(&mut text).map_err(ShardError::system(&path, "read"))?;
        let version = serde_json::from_slice::<Version>(&text).ok().map(|version| version.format);
        if let Some(found) = version.filter(|format| format != FORMAT) {
            return Err(ShardError::Format { path, found });
        }
        let manifest: Self = match serde_json::from_slice(&text) {
            Ok(manifest) => manifest,
            Err(source) => return Err(ShardError::Manifest { path, source }),
        };
        let checked = manifest.settings.check().and_then(|()| manifest.shards.iter().try_for_each(Shard::check));
        match checked {
            Ok(()) => Ok(Some(manifest)),
            Err(wrong) => Err(ShardError::Wrong { path, wrong: wrong.to_string() }),
        }
    }

    /// Reads the manifest of a complete directory.
    ///
    /// # Errors
    /// There is none, or it is of a run that has not ended.
    pub fn complete(directory: &Path) -> Result<Self, ShardError> {
        let path = || directory.to_owned();
        let manifest = Self::load(directory)?.ok_or_else(|| ShardError::NoManifest { path: path() })?;
        if manifest.complete { Ok(manifest) } else { Err(ShardError::Incomplete { path: path() }) }
    }

    /// What the text was, as one SHA-256.
    pub fn text_sha256(&self) -> String {
        self.sha256_of(|shard| &shard.text_sha256)
    }

    /// What the tokens are, as one SHA-256.
    pub fn sha256(&self) -> String {
        self.sha256_of(|shard| &shard.sha256)
    }

    fn sha256_of(&self, part: impl Fn(&Shard) -> &str) -> String {
        finished(self.shards.iter().fold(Sha256::new(), |all, shard| all.chain_update(part(shard))))
    }

    /// Tokens with a loss.
    pub fn tokens(&self) -> u64 {
        self.shards.iter().map(|shard| shard.tokens).fold(0, u64::saturating_add)
    }

    /// Bytes of text that they stand for.
    pub fn text(&self) -> u64 {
        self.shards.iter().map(|shard| shard.text).fold(0, u64::saturating_add)
    }

    /// Rows in all shards.
    pub fn rows(&self) -> usize {
        self.shards.iter().map(|shard| shard.rows).fold(0, usize::saturating_add)
    }

    /// Bytes of text a token.
    pub fn token_ratio(&self) -> f64 {
        self.text() as f64 / self.tokens().max(1) as f64
    }

    pub(super) fn save(&self, directory: &Path) -> Result<(), ShardError> {
        let path = directory.join(MANIFEST);
        let mut text = match serde_json::to_vec_pretty(self) {
            Ok(text) => text,
            Err(source) => return Err(ShardError::Manifest { path, source }),
        };
        text.push(b'\n');
        Ok(write(&path, &text)?)
    }
}
