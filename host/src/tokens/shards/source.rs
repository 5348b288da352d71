//! [`Source`]: token shards of several directories, which are read together.
//!
//! Invariant: what is read together means the same. Directories whose settings differ in more than what their text was
//! are refused.

use std::fmt::{self, Display};
use std::fs;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use super::error::ShardError;
use super::manifest::{MANIFEST, Manifest, differences};

/// The largest weight of a source.
pub const LARGEST_WEIGHT: f64 = 1000.0;

/// What settings say of the input and the files, and nothing of what rows hold. Models are told apart by their ids.
const OF_THE_INPUT: [&str; 9] =
    ["model", "rows_per_shard", "corpus", "corpus_sha256", "shard", "text_field", "lines", "limit", "tokens"];

/// Token shards, and how often a model is shown them. In words: `DIRECTORY` or `DIRECTORY:WEIGHT`.
///
/// ```
/// use equalinfo::tokens::shards::Source;
///
/// let source: Source = "tokens/books:2".parse()?;
/// assert_eq!((source.directory.to_str(), source.weight), (Some("tokens/books"), 2.0));
/// assert_eq!(source.to_string(), "tokens/books:2");
/// let named_so: Source = "tokens/books:2/".parse()?;
/// assert_eq!(named_so.weight, 1.0);
/// # Ok::<(), String>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Source {
    /// A directory of shards, or a directory of such directories.
    pub directory: PathBuf,
    /// How often each of its rows comes in a pass over all sources: once with 1, twice with 2; with 0.5, one half of
    /// them comes in one pass and the other half in the next.
    pub weight: f64,
}

impl<P: Into<PathBuf>> From<P> for Source {
    fn from(directory: P) -> Self {
        Self { directory: directory.into(), weight: 1.0 }
    }
}

impl FromStr for Source {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.rsplit_once(':').map(|(directory, weight)| (directory, weight.parse::<f64>())) {
            Some((directory, Ok(weight))) if !directory.is_empty() => {
                if weight > 0.0 && weight <= LARGEST_WEIGHT {
                    return Ok(Self { directory: directory.into(), weight });
                }
                Err(format!("weight {weight} of {directory}: expected a number above 0, at most {LARGEST_WEIGHT}"))
            }
            _ => Ok(text.into()),
        }
    }
}

impl Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.directory.display())?;
        if self.weight == 1.0 { Ok(()) } else { write!(f, ":{}", self.weight) }
    }
}

/// A directory of complete shards that a [`Source`] names.
#[derive(Debug, Clone)]
pub struct Part {
    /// The directory.
    pub directory: PathBuf,
    /// Its manifest.
    pub manifest: Manifest,
    /// The source's.
    pub weight: f64,
}

impl Part {
    /// The directories of sources in their order. Of a directory without a manifest those in it that have one, by name.
    ///
    /// # Errors
    /// There are no complete shards, or not all of the same tokens ([`ShardError::Apart`]).
    pub fn all(sources: &[Source]) -> Result<Vec<Self>, ShardError> {
        let mut parts: Vec<Self> = Vec::new();
        for source in sources {
            for directory in directories(&source.directory)? {
                let manifest = Manifest::complete(&directory)?;
                if let Some(first) = parts.first() {
                    let differences = differences(&manifest.settings, &first.manifest.settings, &OF_THE_INPUT);
                    if !differences.is_empty() {
                        let expected_as = first.directory.clone();
                        return Err(ShardError::Apart { path: directory, expected_as, differences });
                    }
                }
                parts.push(Self { directory, manifest, weight: source.weight });
            }
        }
        Ok(parts)
    }
}

/// The directory itself if it has a manifest, or else those in it that do. If there are none, the directory, which
/// says so when it is read.
fn directories(directory: &Path) -> Result<Vec<PathBuf>, ShardError> {
    let has_manifest = |directory: &Path| directory.join(MANIFEST).exists();
    if has_manifest(directory) || !directory.is_dir() {
        return Ok(vec![directory.to_owned()]);
    }
    let list = || ShardError::system(directory, "list the directory");
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).map_err(list())? {
        let path = entry.map_err(list())?.path();
        if has_manifest(&path) {
            found.push(path);
        }
    }
    found.sort();
    Ok(if found.is_empty() { vec![directory.to_owned()] } else { found })
}
