//! [`Model`]: an M1 ready to run, loaded once and shared by all threads.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use equalinfo_codec::container::ModelIdentity;
use equalinfo_codec::m1::Config;

use crate::engine::{Engine, EngineError, Image, Session};
use crate::error::LoadError;
use crate::lexicon::{self, Lexicon, LexiconBuildError, LexiconKind};

/// The model that is used when none is named.
pub const DEFAULT_MODEL: &str = "micro";

const EXPECTED: &str = "a .m1q image, as 'equalinfo quantize' writes it";

/// An M1: an integer byte language model, the same bits on every machine. Cheap to clone, and shared between threads.
///
/// ```
/// use equalinfo::Model;
///
/// let model = Model::shipped("nano")?;
/// assert_eq!((model.name(), model.context(), model.config().layers), ("nano", 128, 2));
/// assert_eq!(Model::from_bytes(model.bytes().to_vec())?.id(), model.id());
/// # Ok::<(), equalinfo::LoadError>(())
/// ```
#[derive(Clone)]
pub struct Model {
    engine: Engine,
    /// The last lexicon asked for.
    lexicon: Arc<Mutex<Option<Lexicon>>>,
}

impl Model {
    /// A shipped model by its name, one of [`Self::shipped_names`].
    ///
    /// # Errors
    /// There is none of this name, or `EQUALINFO_SIMD` names instructions that this processor lacks.
    pub fn shipped(name: &str) -> Result<Self, LoadError> {
        let unknown = || LoadError::UnknownModel { name: name.to_owned(), known: Self::shipped_names().collect() };
        Self::from_image(Image::embedded(name).ok_or_else(unknown)?)
    }

    /// The names of the models in this build, smallest first.
    pub fn shipped_names() -> impl Iterator<Item = &'static str> {
        Image::embedded_names()
    }

    /// The shipped model whose id has this upper half, which is what streams carry; `None` if there is none.
    ///
    /// # Errors
    /// `EQUALINFO_SIMD` names instructions that this processor lacks.
    pub fn shipped_with_id(id: u32) -> Result<Option<Self>, LoadError> {
        Self::shipped_names()
            .filter_map(Image::embedded)
            .find(|image| ModelIdentity::short(image.model().id()) == id)
            .map(Self::from_image)
            .transpose()
    }

    /// Reads a `.m1q` file.
    ///
    /// # Errors
    /// The file cannot be read or holds something else, or as [`Self::shipped`].
    pub fn open(path: impl AsRef<Path>) -> Result<Self, LoadError> {
        LoadError::in_file(path.as_ref(), EXPECTED, Self::from_bytes)
    }

    /// A shipped model by its name, or else the `.m1q` file of this path.
    ///
    /// # Errors
    /// There is neither, or as [`Self::open`].
    pub fn named(name: &str) -> Result<Self, LoadError> {
        if let Some(image) = Image::embedded(name) {
            Self::from_image(image)
        } else if Path::new(name).exists() {
            Self::open(name)
        } else {
            Err(LoadError::NeitherModelNorFile { name: name.to_owned(), known: Self::shipped_names().collect() })
        }
    }

    /// Checks the bytes of a `.m1q` image and prepares it for the fastest instructions of this processor.
    ///
    /// # Errors
    /// The bytes are no such image, or as [`Self::shipped`].
    pub fn from_bytes(bytes: Vec<u8>) -> Result<Self, LoadError> {
        Self::from_image(Image::from_bytes(bytes)?)
    }

    fn from_image(image: Image) -> Result<Self, LoadError> {
        Ok(Self { engine: Engine::new(Arc::new(image))?, lexicon: Arc::default() })
    }

    /// The name in its image: the preset that it was trained with.
    pub fn name(&self) -> &str {
        self.engine.image().model().name()
    }

    /// The id that its streams carry: a digest of its content.
    pub fn id(&self) -> u64 {
        self.engine.image().model().id()
    }

    /// The longest context that it can run with, in bytes.
    pub fn context(&self) -> usize {
        self.engine.config().context
    }

    /// Its dimensions.
    pub fn config(&self) -> Config {
        self.engine.config()
    }

    /// The bytes of its `.m1q` image.
    pub fn bytes(&self) -> &[u8] {
        self.engine.image().bytes()
    }

    /// What runs it.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// The model with the memory of one text of which it sees up to `context` bytes: a [`ByteModel`](crate::ByteModel).
    ///
    /// # Errors
    /// The context is zero or longer than the model's.
    pub fn session(&self, context: usize) -> Result<Session, EngineError> {
        self.engine.session(context)
    }

    /// The lexicon of its window code with 16 bits, made by `threads` threads: the same windows of a long text in less
    /// time. Takes as long as cutting 100 to 150 KB of text into windows, the first time: the last one is kept.
    ///
    /// # Errors
    /// The context is zero or longer than the model's.
    pub fn lexicon(&self, context: usize, threads: usize) -> Result<Lexicon, LexiconBuildError> {
        // Whoever asks meanwhile waits for it instead of building another. A panic leaves none or a whole one.
        let mut kept = self.lexicon.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(lexicon) = kept.as_ref().filter(|lexicon| lexicon.context() == context) {
            return Ok(lexicon.clone());
        }
        let lexicon = Lexicon::from_image(lexicon::build(&self.engine, LexiconKind::WindowCode, context, threads)?)?;
        Ok(kept.insert(lexicon).clone())
    }
}

impl std::fmt::Debug for Model {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Model({}, {:016x}, {})", self.name(), self.id(), self.engine.simd().name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn models_are_found_by_name_id_and_path() {
        let nano = Model::shipped("nano").unwrap();
        assert_eq!(Model::shipped_with_id(ModelIdentity::short(nano.id())).unwrap().unwrap().name(), "nano");
        assert!(Model::shipped_with_id(1).unwrap().is_none());
        let error = Model::shipped("giga").unwrap_err().to_string();
        assert!(error.contains("'giga'") && error.contains("pico, nano, micro, 3m"), "{error}");
        let error = Model::named("no/such/file").unwrap_err().to_string();
        assert!(error.contains("neither a shipped model") && error.contains(".m1q"), "{error}");
        let error = Model::open(file!().trim_start_matches("host/")).unwrap_err();
        assert!(matches!(error, LoadError::File { .. }) && error.to_string().contains("model.rs"), "{error}");
    }

    #[test]
    fn models_are_shared_between_threads() {
        fn shared<T: Send + Sync + Clone>() {}
        shared::<Model>();
        shared::<Lexicon>();
        shared::<crate::ByteFrequencies>();
    }
}
