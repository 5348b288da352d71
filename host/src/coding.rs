//! [`CodingModel`]: what texts are coded with, and [`Session`]: one that is asked byte by byte.

use equalinfo_codec::container::{ModelIdentity, ModelName};
use equalinfo_codec::mix::MixError;
use equalinfo_codec::{ByteModel, Frequencies, StaticModel, Uniform};

use crate::accelerator::AcceleratorError;
use crate::engine::{self, EngineError};
use crate::frequencies::ByteFrequencies;
use crate::lexicon::{Lexicon, LexiconBuildError};
use crate::model::Model;

/// The longest context that a model can have, in bytes.
pub const LONGEST_CONTEXT: usize = 256;

/// Why texts cannot be coded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CodingError {
    /// The model does not run with this context.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The lexicon of the model cannot be compiled.
    #[error(transparent)]
    Lexicon(#[from] LexiconBuildError),
    /// The accelerator failed.
    #[error(transparent)]
    Accelerator(#[from] AcceleratorError),
    /// The tables of the adaptive layer cannot be used.
    #[error(transparent)]
    Tables(#[from] MixError),
    /// Without a model there are only tables.
    #[error("without a model, texts are coded by tables alone, which do not have {asked}")]
    NoModel {
        /// What was asked for.
        asked: String,
    },
    /// A lexicon has no other windows, and no frequencies.
    #[error("a lexicon codes windows of 16 bits in the default code, and cannot be asked for {asked}")]
    OnlyWindows {
        /// What was asked for.
        asked: String,
    },
    /// An accelerator does not have this code.
    #[error("GPUs run an M1, for arithmetic coding and for windows of the default code that start anew; not {asked}")]
    NotAccelerated {
        /// What was asked for.
        asked: String,
    },
    /// A worker was asked for something else than its plan is for.
    #[error("this plan is for {planned}, not for {asked}")]
    OtherJob {
        /// What the plan is for.
        planned: String,
        /// What was asked for.
        asked: &'static str,
    },
    /// A code is longer than the largest that frequencies can ask for.
    #[error("a code of {found} bytes of text is longer than 16 bits per byte")]
    CodeLength {
        /// Bytes of text.
        found: usize,
    },
}

/// What texts are coded with.
///
/// ```
/// use equalinfo::{ByteFrequencies, CodingModel, Model};
///
/// let nano = CodingModel::from(Model::shipped("nano")?);
/// assert_eq!((nano.name(), nano.context()), ("nano", 128));
/// assert_eq!(CodingModel::from(ByteFrequencies::english()).name(), "static");
/// # Ok::<(), equalinfo::LoadError>(())
/// ```
#[derive(Clone, Debug)]
pub enum CodingModel {
    /// An M1.
    Model(Model),
    /// Byte frequencies, which travel with their stream.
    Frequencies(ByteFrequencies),
    /// The texts of windows of 16 bits, in the place of the model that they were compiled from.
    Lexicon(Lexicon),
    /// Nothing: the tables of the adaptive layer are on their own.
    None,
}

impl CodingModel {
    /// Its name: that of the model, `static`, the lexicon's kind, or `none`.
    pub fn name(&self) -> &str {
        match self {
            Self::Model(model) => model.name(),
            Self::Frequencies(_) => "static",
            Self::Lexicon(lexicon) => lexicon.name(),
            Self::None => "none",
        }
    }

    /// The id of which its streams carry the upper half; 0 for byte frequencies and for none.
    pub fn id(&self) -> u64 {
        match self {
            Self::Model(model) => model.id(),
            Self::Frequencies(_) | Self::None => 0,
            Self::Lexicon(lexicon) => lexicon.stream_id(),
        }
    }

    /// The longest context that it can run with, in bytes.
    pub fn context(&self) -> usize {
        match self {
            Self::Model(model) => model.context(),
            Self::Frequencies(_) | Self::None => LONGEST_CONTEXT,
            Self::Lexicon(lexicon) => lexicon.context(),
        }
    }

    /// What a stream says of it when it runs with a context of `context` bytes.
    pub fn identity(&self, context: usize) -> ModelIdentity {
        ModelIdentity::new(self.id(), context)
    }

    /// The name that its streams carry.
    pub fn stream_name(&self) -> ModelName {
        match self {
            Self::Model(model) => ModelName::new(model.name()),
            _ => ModelName::NONE,
        }
    }

    /// The bytes that a decoder needs besides its program; none for byte frequencies, which travel with their stream.
    pub fn bytes(&self) -> &[u8] {
        match self {
            Self::Model(model) => model.bytes(),
            Self::Frequencies(_) | Self::None => &[],
            Self::Lexicon(lexicon) => lexicon.bytes(),
        }
    }

    /// The model with the memory of one text.
    ///
    /// # Errors
    /// The context is zero or longer than the model's, or it is a lexicon, which has no frequencies.
    pub fn session(&self, context: usize) -> Result<Session, CodingError> {
        match self {
            Self::Model(model) => Ok(Session::Model(model.session(context)?)),
            Self::Frequencies(frequencies) => Ok(Session::Frequencies(Box::new(frequencies.session()))),
            Self::Lexicon(_) => Err(CodingError::OnlyWindows { asked: "frequencies".to_owned() }),
            Self::None => Ok(Session::None(Uniform)),
        }
    }
}

impl From<Model> for CodingModel {
    fn from(model: Model) -> Self {
        Self::Model(model)
    }
}

impl From<&Model> for CodingModel {
    fn from(model: &Model) -> Self {
        Self::Model(model.clone())
    }
}

impl From<ByteFrequencies> for CodingModel {
    fn from(frequencies: ByteFrequencies) -> Self {
        Self::Frequencies(frequencies)
    }
}

impl From<&ByteFrequencies> for CodingModel {
    fn from(frequencies: &ByteFrequencies) -> Self {
        Self::Frequencies(frequencies.clone())
    }
}

impl From<Lexicon> for CodingModel {
    fn from(lexicon: Lexicon) -> Self {
        Self::Lexicon(lexicon)
    }
}

impl From<&Lexicon> for CodingModel {
    fn from(lexicon: &Lexicon) -> Self {
        Self::Lexicon(lexicon.clone())
    }
}

impl From<&CodingModel> for CodingModel {
    fn from(model: &CodingModel) -> Self {
        model.clone()
    }
}

/// A model with the memory of one text.
pub enum Session {
    /// M1 and its cache.
    Model(engine::Session),
    /// Byte frequencies, which need none.
    Frequencies(Box<StaticModel>),
    /// No model: every byte is as likely as any other.
    None(Uniform),
}

impl ByteModel for Session {
    fn reset(&mut self) {
        match self {
            Self::Model(model) => model.reset(),
            Self::Frequencies(model) => model.reset(),
            Self::None(model) => model.reset(),
        }
    }

    fn frequencies(&mut self) -> &Frequencies {
        match self {
            Self::Model(model) => model.frequencies(),
            Self::Frequencies(model) => model.frequencies(),
            Self::None(model) => model.frequencies(),
        }
    }

    fn push(&mut self, byte: u8) {
        match self {
            Self::Model(model) => model.push(byte),
            Self::Frequencies(model) => model.push(byte),
            Self::None(model) => model.push(byte),
        }
    }
}
