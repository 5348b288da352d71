//! Token shards: `.npy` matrices of tokens, a row an example, and `manifest.json`, which says what they are.
//!
//! Invariant: the manifest names only shards that are complete, and is replaced as a whole, so a run that was killed at any moment continues behind the last
//! shard that it names and ends in the same files as one that was not.

use std::fs;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use npyz::WriterBuilder;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::method::Method;
use super::tokenizer::Tokens;
use crate::cli::files::write;

const FORMAT: &str = "equalinfo-tokens-2";
/// The manifest's name in the directory of a corpus.
pub const MANIFEST: &str = "manifest.json";

/// How rows are taken from text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Layout {
    /// The first tokens of each example of 10,240 bytes, as in the paper
    #[default]
    Examples,
    /// All tokens of 128 documents that are joined, row after row
    Stream,
}

/// What a directory of shards was made of. Shards of other settings are not continued.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    #[serde(flatten)]
    pub method: Method,
    /// The method's name in the paper's tables.
    pub name: String,
    /// Different tokens.
    pub vocabulary: usize,
    pub layout: Layout,
    /// Name and id of M1, the lexicon, the frequencies or the subwords, for methods that have one.
    pub model: Option<String>,
    pub model_id: Option<String>,
    /// Bytes of M1's context.
    pub context: usize,
    /// Tokens in a row.
    pub sequence: usize,
    /// Rows in a shard.
    pub rows_per_shard: usize,
    /// The input, as it was named, and the part of it that was read.
    pub corpus: Vec<String>,
    pub shard: Option<String>,
    pub text_field: String,
    pub lines: bool,
    pub limit: Option<u64>,
    /// Tokens after which no more rows were made.
    pub tokens: Option<u64>,
}

/// A file of tokens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shard {
    /// Tokens, `[rows, sequence]`, little-endian; a row is filled up with zeros.
    pub file: String,
    /// `[rows, 3]` of u32: a row's tokens, how many of the first of them are given without a loss, and the bytes of text that the others stand for.
    pub row_file: String,
    pub rows: usize,
    /// Examples that the rows were made of, and the SHA-256 of all their SHA-256.
    pub examples: usize,
    pub text_sha256: String,
    /// Tokens with a loss: neither padding nor given.
    pub tokens: u64,
    /// Bytes of text that they stand for.
    pub text: u64,
    /// Of the two files' content.
    pub sha256: String,
}

/// The contents of `manifest.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    pub format: String,
    /// What began it.
    pub command: String,
    pub version: String,
    pub settings: Settings,
    /// Whether all that was asked for is there.
    pub complete: bool,
    pub shards: Vec<Shard>,
}

impl Manifest {
    /// Reads the manifest of a directory, if it has one.
    ///
    /// # Errors
    /// It cannot be read, or is not a manifest.
    pub fn load(directory: &Path) -> Result<Option<Self>> {
        let path = directory.join(MANIFEST);
        if !path.exists() {
            return Ok(None);
        }
        let text = fs::read(&path).with_context(|| format!("{}: cannot read", path.display()))?;
        let manifest: Self = serde_json::from_slice(&text)
            .with_context(|| format!("{}: expected what 'equalinfo tokenize' writes", path.display()))?;
        ensure!(manifest.format == FORMAT, "{}: expected format {FORMAT}, found {}", path.display(), manifest.format);
        Ok(Some(manifest))
    }

    /// Reads the manifest of a complete directory.
    ///
    /// # Errors
    /// There is none, or it is of a run that has not ended.
    pub fn complete(directory: &Path) -> Result<Self> {
        let Some(manifest) = Self::load(directory)? else {
            bail!("{}: no {MANIFEST}; expected a directory that 'equalinfo tokenize' wrote", directory.display());
        };
        ensure!(manifest.complete, "{}: not complete; run 'equalinfo tokenize' again to continue", directory.display());
        Ok(manifest)
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
        hex(&self.shards.iter().fold(Sha256::new(), |all, shard| all.chain_update(part(shard))).finalize())
    }

    /// Tokens with a loss.
    pub fn tokens(&self) -> u64 {
        self.shards.iter().map(|shard| shard.tokens).sum()
    }

    /// Bytes of text that they stand for.
    pub fn text(&self) -> u64 {
        self.shards.iter().map(|shard| shard.text).sum()
    }

    /// Rows in all shards.
    pub fn rows(&self) -> usize {
        self.shards.iter().map(|shard| shard.rows).sum()
    }

    /// Bytes of text a token.
    pub fn token_ratio(&self) -> f64 {
        self.text() as f64 / self.tokens().max(1) as f64
    }

    fn save(&self, directory: &Path) -> Result<()> {
        let mut text = serde_json::to_vec_pretty(self)?;
        text.push(b'\n');
        write(&directory.join(MANIFEST), &text)
    }
}

/// Bytes as hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Writes shards into a directory.
pub struct Writer {
    directory: PathBuf,
    manifest: Manifest,
    rows: Vec<Tokens>,
    /// Of the rows' examples.
    text: Sha256,
    examples: usize,
}

impl Writer {
    /// Begins, or continues what was begun with the same settings.
    ///
    /// # Errors
    /// The directory cannot be made, or holds tokens of other settings.
    pub fn open(directory: &Path, settings: Settings, command: &str) -> Result<Self> {
        fs::create_dir_all(directory)
            .with_context(|| format!("{}: cannot make this directory", directory.display()))?;
        let manifest = match Manifest::load(directory)? {
            Some(manifest) => {
                ensure!(
                    manifest.settings == settings,
                    "{}: holds tokens of other settings: {}",
                    directory.display(),
                    serde_json::to_string(&manifest.settings)?
                );
                manifest
            }
            None => Manifest {
                format: FORMAT.to_owned(),
                command: command.to_owned(),
                version: env!("CARGO_PKG_VERSION").to_owned(),
                settings,
                complete: false,
                shards: Vec::new(),
            },
        };
        Ok(Self { directory: directory.to_owned(), manifest, rows: Vec::new(), text: Sha256::new(), examples: 0 })
    }

    /// What has been written.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Tokens so far, those on their way to disk included.
    pub fn tokens(&self) -> u64 {
        self.manifest.tokens() + self.rows.iter().map(|row| row.lost() as u64).sum::<u64>()
    }

    /// Adds the rows of an example, of at most a sequence each; `digest` is the SHA-256 of its text.
    ///
    /// # Errors
    /// A shard is full and cannot be written.
    pub fn push(&mut self, rows: Vec<Tokens>, digest: [u8; 32]) -> Result<()> {
        self.rows.extend(rows);
        self.text.update(digest);
        self.examples += 1;
        if self.rows.len() >= self.manifest.settings.rows_per_shard { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<()> {
        if self.rows.is_empty() {
            return Ok(());
        }
        let Settings { sequence, vocabulary, .. } = self.manifest.settings;
        let number = self.manifest.shards.len();
        let (file, row_file) = (format!("tokens-{number:05}.npy"), format!("rows-{number:05}.npy"));
        let shape = [self.rows.len() as u64, sequence as u64];
        let padded = self.rows.iter().flat_map(|row| (0..sequence).map(|i| row.ids.get(i).copied().unwrap_or(0)));
        let tokens = if vocabulary <= 256 { array(padded.map(|id| id as u8), &shape)? } else { array(padded, &shape)? };
        let rows = self.rows.iter().flat_map(|row| [row.ids.len() as u32, row.given as u32, row.text as u32]);
        let rows = array(rows, &[shape[0], 3])?;
        write(&self.directory.join(&file), &tokens)?;
        write(&self.directory.join(&row_file), &rows)?;
        let digest = Sha256::new().chain_update(&tokens).chain_update(&rows).finalize();
        self.manifest.shards.push(Shard {
            file,
            row_file,
            rows: self.rows.len(),
            examples: std::mem::take(&mut self.examples),
            text_sha256: hex(&std::mem::take(&mut self.text).finalize()),
            tokens: self.rows.iter().map(|row| row.lost() as u64).sum(),
            text: self.rows.iter().map(|row| row.text).sum(),
            sha256: hex(&digest),
        });
        self.rows.clear();
        self.manifest.save(&self.directory)
    }

    /// Writes what is left and marks the directory as complete.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn finish(mut self) -> Result<Manifest> {
        self.flush()?;
        self.manifest.complete = true;
        self.manifest.save(&self.directory)?;
        Ok(self.manifest)
    }
}

fn array<T: npyz::AutoSerialize>(values: impl Iterator<Item = T>, shape: &[u64]) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut writer = npyz::WriteOptions::new().default_dtype().shape(shape).writer(&mut bytes).begin_nd()?;
    writer.extend(values)?;
    writer.finish()?;
    Ok(bytes)
}

/// Rows of all shards of a directory, read where they lie: a corpus may be larger than memory.
pub struct Rows {
    shards: Vec<OpenShard>,
    sequence: usize,
    wide: bool,
}

struct OpenShard {
    file: fs::File,
    path: PathBuf,
    /// Where the first row lies.
    start: u64,
    /// As in the file of rows.
    rows: Vec<[u32; 3]>,
}

impl Rows {
    /// Opens the shards of a complete directory.
    ///
    /// # Errors
    /// A file is missing or is not what the manifest says.
    pub fn open(directory: &Path, manifest: &Manifest) -> Result<Self> {
        let Settings { sequence, vocabulary, .. } = manifest.settings;
        let wide = vocabulary > 256;
        let open = |shard: &Shard| -> Result<OpenShard> {
            let path = directory.join(&shard.file);
            let what = || format!("{}: expected tokens of 'equalinfo tokenize'", path.display());
            let mut file = fs::File::open(&path).with_context(what)?;
            let header = npyz::NpyHeader::from_reader(&mut file).with_context(what)?;
            ensure!(
                header.shape() == [shard.rows as u64, sequence as u64],
                "{}: its shape is {:?}",
                what(),
                header.shape()
            );
            let start = file.stream_position()?;
            let width = 1 + u64::from(wide);
            ensure!(
                file.metadata()?.len() == start + width * (shard.rows * sequence) as u64,
                "{}: its length is not that of its shape",
                what()
            );
            let path_of_rows = directory.join(&shard.row_file);
            let rows = fs::read(&path_of_rows).with_context(|| format!("{}: cannot read", path_of_rows.display()))?;
            let rows: Vec<u32> = npyz::NpyFile::new(&rows[..])?.into_vec()?;
            let (rows, rest) = rows.as_chunks();
            let fits = |row: &[u32; 3]| row[0] as usize <= sequence && row[1] <= row[0];
            ensure!(
                rest.is_empty() && rows.len() == shard.rows && rows.iter().all(fits),
                "{}: not a description of {} rows",
                path_of_rows.display(),
                shard.rows
            );
            Ok(OpenShard { file, path, start, rows: rows.to_vec() })
        };
        Ok(Self { shards: manifest.shards.iter().map(open).collect::<Result<_>>()?, sequence, wide })
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.shards.iter().map(|shard| shard.rows.len()).sum()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The tokens of a row, without padding.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn row(&mut self, mut index: usize) -> Result<Tokens> {
        for shard in &mut self.shards {
            let Some(&[length, given, text]) = shard.rows.get(index) else {
                index -= shard.rows.len();
                continue;
            };
            let width = if self.wide { 2 } else { 1 };
            let mut bytes = vec![0; width * length as usize];
            let place = shard.start + (width * index * self.sequence) as u64;
            let read = shard.file.seek(SeekFrom::Start(place)).and_then(|_| shard.file.read_exact(&mut bytes));
            read.with_context(|| format!("{}: cannot read row {index}", shard.path.display()))?;
            let ids = if self.wide {
                bytes.chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]])).collect()
            } else {
                bytes.into_iter().map(u16::from).collect()
            };
            return Ok(Tokens { ids, given: given as usize, text: text.into() });
        }
        bail!("there is no row {index} more")
    }
}
