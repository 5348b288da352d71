//! [`Image`]: a `.m1q` image in memory, checked once.

use std::path::{Path, PathBuf};

use equalinfo_codec::m1::{Model, ModelError};
use self_cell::self_cell;

/// The images that are part of the tool, by preset name.
const EMBEDDED: &[(&str, &[u8])] = &[
    ("nano", include_bytes!("../../models/nano.m1q")),
    ("micro", include_bytes!("../../models/micro.m1q")),
    ("3m", include_bytes!("../../models/3m.m1q")),
];

/// Why there is no image.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImageError {
    /// The file cannot be read.
    #[error("cannot read model {}: {source}", path.display())]
    Read { path: PathBuf, source: std::io::Error },
    /// The file is not a valid image.
    #[error("{}: {source}; expected a .m1q file as `equalinfo quantize` writes it", path.display())]
    File { path: PathBuf, source: ModelError },
    /// The bytes are not a valid image.
    #[error(transparent)]
    Bytes(#[from] ModelError),
    /// No image of that name is part of the tool.
    #[error("no model named '{name}' is built in, expected {}", choices(.known))]
    Unknown { name: String, known: Vec<&'static str> },
}

fn choices(names: &[&str]) -> String {
    if names.is_empty() {
        "the path of a .m1q file".into()
    } else {
        format!("{} or the path of a .m1q file", names.join(", "))
    }
}

self_cell!(
    struct Cell {
        owner: Vec<u8>,
        #[covariant]
        dependent: Model,
    }
);

/// An image that owns its bytes, with the view of them that loading checked.
pub struct Image(Cell);

impl Image {
    /// Checks `bytes` and keeps them.
    pub fn from_bytes(bytes: Vec<u8>) -> Result<Self, ModelError> {
        Cell::try_new(bytes, |bytes| Model::load(bytes)).map(Self)
    }

    /// Reads an image from a file.
    pub fn load(path: &Path) -> Result<Self, ImageError> {
        let bytes = std::fs::read(path).map_err(|source| ImageError::Read { path: path.into(), source })?;
        Self::from_bytes(bytes).map_err(|source| ImageError::File { path: path.into(), source })
    }

    /// An image that is part of the tool.
    pub fn embedded(name: &str) -> Result<Self, ImageError> {
        match EMBEDDED.iter().find(|(known, _)| *known == name) {
            Some((_, bytes)) => Ok(Self::from_bytes(bytes.to_vec())?),
            None => Err(ImageError::Unknown { name: name.into(), known: Self::embedded_names().collect() }),
        }
    }

    /// The names that [`Self::embedded`] knows.
    pub fn embedded_names() -> impl Iterator<Item = &'static str> {
        EMBEDDED.iter().map(|(name, _)| *name)
    }

    /// The model in it.
    pub fn model(&self) -> &Model<'_> {
        self.0.borrow_dependent()
    }

    /// The bytes of the file.
    pub fn bytes(&self) -> &[u8] {
        self.0.borrow_owner()
    }
}

impl std::fmt::Debug for Image {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Image({}, {:016x})", self.model().name(), self.model().id())
    }
}
