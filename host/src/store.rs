//! Models and lexicons of the user's own: files in one directory, found by the id that streams carry.
//!
//! Invariant: a file of the store is called after its id, and is given out only if its content has that id.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::{fs, io};

use equalinfo_codec::container::ModelIdentity;

use crate::coding::CodingModel;
use crate::error::LoadError;
use crate::files::{FileError, NewFile};
use crate::lexicon::Lexicon;
use crate::model::Model;
use crate::whole_file::read_file;

/// The environment variable that names another directory.
pub const VARIABLE: &str = "EQUALINFO_MODELS";

/// Where a user's models are.
///
/// ```
/// use equalinfo::store::Store;
/// use equalinfo::Model;
///
/// let directory = tempfile::tempdir()?;
/// let (store, nano) = (Store::at(directory.path().join("models")), Model::shipped("nano")?);
/// std::fs::write(directory.path().join("mine.m1q"), nano.bytes())?;
/// store.add(&directory.path().join("mine.m1q"))?;
/// assert_eq!(store.with_id((nano.id() >> 32) as u32)?.unwrap().load()?.name(), "nano");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct Store {
    directory: PathBuf,
}

/// What a file of the store holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A byte model.
    M1,
    /// The texts of all windows of 16 bits.
    Lexicon,
}

/// A model or lexicon of the store.
#[derive(Debug)]
pub struct Entry {
    /// Its file.
    pub path: PathBuf,
    /// Model or lexicon.
    pub kind: Kind,
    /// The id that its streams carry.
    pub id: u64,
    /// The image.
    pub bytes: Vec<u8>,
}

/// Why the store did not do what it was asked for.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The system names no directory for data of this user's.
    #[error("there is no directory for models; name one in the environment variable {VARIABLE}")]
    NoDirectory,
    /// The file is neither a model nor a lexicon.
    #[error("{}: neither a model (.m1q) nor a lexicon (.lex)", path.display())]
    Unknown {
        /// The file.
        path: PathBuf,
    },
    /// A file of the store holds something else than its name says.
    #[error("{}: does not hold what its name says; remove it and add the model again", path.display())]
    Changed {
        /// The file.
        path: PathBuf,
    },
    /// The system refused.
    #[error("{}: cannot {action}", path.display())]
    System {
        /// The file or directory.
        path: PathBuf,
        /// What was tried.
        action: &'static str,
        /// Its answer.
        source: io::Error,
    },
    /// A model or lexicon cannot be run.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// The copy was not written.
    #[error(transparent)]
    Write(#[from] FileError),
}

impl Kind {
    const ALL: [Self; 2] = [Self::M1, Self::Lexicon];

    fn extension(self) -> &'static str {
        match self {
            Self::M1 => "m1q",
            Self::Lexicon => "lex",
        }
    }
}

/// What an image is, and the id of its streams.
fn identify(bytes: &[u8]) -> Option<(Kind, u64)> {
    if let Ok(model) = equalinfo_codec::m1::Model::load(bytes) {
        return Some((Kind::M1, model.id()));
    }
    let lexicon = equalinfo_codec::lexicon::Lexicon::load(bytes).ok()?;
    Some((Kind::Lexicon, lexicon.stream_id()))
}

impl Entry {
    /// The model or lexicon, ready to run.
    ///
    /// # Errors
    /// `EQUALINFO_SIMD` names instructions that this processor lacks; the store has checked the rest.
    pub fn load(self) -> Result<CodingModel, LoadError> {
        match self.kind {
            Kind::M1 => Ok(Model::from_bytes(self.bytes)?.into()),
            Kind::Lexicon => Ok(Lexicon::from_bytes(self.bytes)?.into()),
        }
    }
}

/// The model or lexicon of the user's own whose id has this upper half, which is what streams carry; `None` if there is
/// none.
///
/// # Errors
/// The store cannot be read, or holds something else under this id.
pub fn find(id: u32) -> Result<Option<CodingModel>, StoreError> {
    // Without a directory for models there are none.
    let Ok(store) = Store::of_user() else { return Ok(None) };
    Ok(store.with_id(id)?.map(Entry::load).transpose()?)
}

/// The shipped model whose id has this upper half, else what [`find`] finds; `None` if there is none.
///
/// # Errors
/// Those of [`Model::shipped_with_id`] and of [`find`].
pub fn shipped_or_installed(id: u32) -> Result<Option<CodingModel>, StoreError> {
    match Model::shipped_with_id(id)? {
        Some(model) => Ok(Some(model.into())),
        None => find(id),
    }
}

/// The M1 of this name: a shipped one, the file of this path, or one of the user's own.
///
/// # Errors
/// There is none, or its file cannot be read or holds something else.
pub fn named(name: &str) -> Result<Model, StoreError> {
    match (Model::named(name), Store::of_user()) {
        (Err(LoadError::NeitherModelNorFile { name, known }), Ok(store)) => {
            // A damaged model is told when it is asked for by its id.
            for entry in store.entries()?.into_iter().flatten().filter(|entry| entry.kind == Kind::M1) {
                let model = Model::from_bytes(entry.bytes)?;
                if model.name() == name {
                    return Ok(model);
                }
            }
            Err(LoadError::NeitherModelNorFile { name, known }.into())
        }
        (found, _) => Ok(found?),
    }
}

fn system(path: &Path, action: &'static str) -> impl FnOnce(io::Error) -> StoreError {
    let path = path.to_owned();
    move |source| StoreError::System { path, action, source }
}

impl Store {
    /// The user's: the directory that [`VARIABLE`] names, else one among the user's data.
    ///
    /// # Errors
    /// The system names none.
    pub fn of_user() -> Result<Self, StoreError> {
        let named = std::env::var_os(VARIABLE).filter(|name| !name.is_empty()).map(PathBuf::from);
        let directory = named.or_else(|| Some(dirs::data_dir()?.join("equalinfo").join("models")));
        directory.map(Self::at).ok_or(StoreError::NoDirectory)
    }

    /// The store in a directory, which need not exist.
    pub fn at(directory: PathBuf) -> Self {
        Self { directory }
    }

    /// Its directory.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Copies a model or lexicon into the store; one that is there already stays as it is.
    ///
    /// # Errors
    /// The file cannot be read or is neither, or the copy cannot be written.
    pub fn add(&self, file: &Path) -> Result<Entry, StoreError> {
        let bytes = read_file(file).map_err(system(file, "read"))?;
        let (kind, id) = identify(&bytes).ok_or_else(|| StoreError::Unknown { path: file.to_owned() })?;
        fs::create_dir_all(&self.directory).map_err(system(&self.directory, "make this directory"))?;
        let path = self.path(id, kind);
        if !matches!(self.entry(id, kind), Ok(Some(_))) {
            // Whatever is there instead is not what its name says.
            let mut copy = NewFile::create(&path, true)?;
            copy.write_all(&bytes).map_err(system(&path, "write"))?;
            copy.finish(None)?;
        }
        Ok(Entry { path, kind, id, bytes })
    }

    /// Everything in the store, by file name.
    ///
    /// # Errors
    /// The directory cannot be listed; the inner ones are of single files.
    pub fn entries(&self) -> Result<Vec<Result<Entry, StoreError>>, StoreError> {
        Ok(self.files()?.into_iter().filter_map(|(id, kind)| self.entry(id, kind).transpose()).collect())
    }

    /// What the names of the files say: id and kind of each.
    fn files(&self) -> Result<Vec<(u64, Kind)>, StoreError> {
        let list = |error| system(&self.directory, "list the directory")(error);
        let files = match fs::read_dir(&self.directory) {
            Ok(files) => files.collect::<io::Result<Vec<_>>>().map_err(list)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(list(error)),
        };
        let mut paths: Vec<PathBuf> = files.into_iter().map(|file| file.path()).collect();
        paths.sort();
        let named = paths.into_iter().filter_map(|path| {
            let kind =
                Kind::ALL.into_iter().find(|kind| path.extension().is_some_and(|end| end == kind.extension()))?;
            Some((u64::from_str_radix(path.file_stem()?.to_str()?, 16).ok()?, kind))
        });
        Ok(named.collect())
    }

    /// The model whose id has this upper half, else the lexicon.
    ///
    /// # Errors
    /// The directory cannot be listed, or the only such file cannot be read or holds something else.
    pub fn with_id(&self, id: u32) -> Result<Option<Entry>, StoreError> {
        let mut refused = None;
        let mut found: Option<Entry> = None;
        for (full, kind) in self.files()?.into_iter().filter(|(full, _)| ModelIdentity::short(*full) == id) {
            match self.entry(full, kind) {
                Ok(entry) if found.is_none() || kind == Kind::M1 => found = entry,
                Ok(_) => {}
                Err(error) => refused = Some(error),
            }
        }
        match (found, refused) {
            (None, Some(error)) => Err(error),
            (found, _) => Ok(found),
        }
    }

    fn path(&self, id: u64, kind: Kind) -> PathBuf {
        self.directory.join(format!("{id:016x}.{}", kind.extension()))
    }

    fn entry(&self, id: u64, kind: Kind) -> Result<Option<Entry>, StoreError> {
        let path = self.path(id, kind);
        let bytes = match read_file(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(system(&path, "read")(error)),
        };
        match identify(&bytes) {
            Some(found) if found == (kind, id) => Ok(Some(Entry { path, kind, id, bytes })),
            _ => Err(StoreError::Changed { path }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn models_are_found_by_id_and_by_nothing_else() {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::at(directory.path().join("models"));
        assert!(store.entries().unwrap().is_empty());
        let file = directory.path().join("mine.m1q");
        fs::write(&file, Model::shipped("nano").unwrap().bytes()).unwrap();
        let id = store.add(&file).unwrap().id;
        assert_eq!(store.add(&file).unwrap().id, id);
        assert_eq!(store.with_id(ModelIdentity::short(id)).unwrap().unwrap().bytes, fs::read(&file).unwrap());
        assert!(store.with_id(ModelIdentity::short(id) ^ 1).unwrap().is_none());
        assert_eq!(store.entries().unwrap().len(), 1);
        fs::copy(store.path(id, Kind::M1), store.path(id ^ 1 << 32, Kind::M1)).unwrap();
        assert!(matches!(store.with_id(ModelIdentity::short(id) ^ 1), Err(StoreError::Changed { .. })));
        fs::write(&file, b"text").unwrap();
        assert!(matches!(store.add(&file), Err(StoreError::Unknown { .. })));
        // A damaged file is replaced by the whole one.
        fs::write(&file, Model::shipped("nano").unwrap().bytes()).unwrap();
        fs::write(store.path(id, Kind::M1), b"damaged").unwrap();
        assert!(store.with_id(ModelIdentity::short(id)).is_err());
        store.add(&file).unwrap();
        assert!(store.with_id(ModelIdentity::short(id)).unwrap().is_some());
    }
}
