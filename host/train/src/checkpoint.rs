//! Checkpoints: one `.safetensors` file with the parameters, the optimizer's moments and, as metadata, everything else that a run needs to resume.
//!
//! Invariant: what [`Checkpoint::load`] returns is what [`Checkpoint::save`] was given, bit for bit, and its sizes are
//! within their bounds. The metadata has the SHA-256 of the state and of all tensors' values.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt::{self, Display};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use safetensors::{Dtype, SafeTensors, View};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::backend::TrainingState;
use super::bounds::{OutOfBounds, within};
use super::graph::ModelConfig;
use super::settings::{MOST_STEPS, Settings};
use equalinfo::digest::finished;
use equalinfo::files::{self, FileError};
use equalinfo::quantize::ActivationScales;
use equalinfo::tokens::shards::Meaning;

const FORMAT: &str = "equalinfo-checkpoint-2";
/// Text positions that a run may have seen.
const MOST_POSITIONS: u64 = 1 << 60;

/// What a model was trained on, and with that what its symbols are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "of", rename_all = "kebab-case")]
pub enum Origin {
    /// Bytes of text: the model is an M1.
    Text {
        /// The SHA-256 of the documents that were trained on, see [`Text::sha256`](crate::data::Text::sha256).
        sha256: String,
        /// That of the short messages, where there are any.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        messages_sha256: Option<String>,
    },
    /// Tokens: the model is an M2.
    Tokens {
        /// What they are.
        meaning: Meaning,
        /// The SHA-256 of the shards that were trained on, see [`TokenRows::sha256`](crate::tokens::TokenRows::sha256).
        sha256: String,
    },
}

impl Origin {
    /// The model's kind, in words.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Text { .. } => Kind::M1,
            Self::Tokens { .. } => Kind::M2,
        }
    }
}

/// What a checkpoint is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The model of bytes.
    M1,
    /// A model of tokens.
    M2,
}

impl Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::M1 => "M1, a model of bytes",
            Self::M2 => "M2, a model of tokens",
        })
    }
}

/// What is written beside the tensors.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct State {
    /// The model's name.
    pub name: String,
    /// What it was trained on.
    pub origin: Origin,
    /// Its sizes.
    pub model: ModelConfig,
    /// What decides the run's course.
    pub settings: Settings,
    /// Optimizer steps done.
    pub step: u64,
    /// Text positions seen.
    pub bytes: u64,
    /// Seconds of training so far.
    pub seconds: f64,
    /// Step at which the text was last cut into windows, 0 if never.
    pub windows_step: u64,
    /// The SHA-256 of the file of these windows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub windows_sha256: Option<String>,
    /// Steps of the activations since training rounds them as the integer model does.
    #[serde(default)]
    pub scales: Option<ActivationScales>,
}

impl State {
    /// Sizes and counts within which nothing overflows.
    fn check(&self) -> Result<(), OutOfBounds> {
        self.model.check()?;
        self.settings.check()?;
        within("step", self.step, 0, MOST_STEPS)?;
        within("step of the windows", self.windows_step, 0, self.step)?;
        within("positions", self.bytes, 0, MOST_POSITIONS)?;
        if let (Kind::M1, found @ (..=255 | 257..)) = (self.origin.kind(), self.model.vocabulary) {
            return Err(OutOfBounds::new("vocabulary of an M1", found, 256));
        }
        match &self.scales {
            Some(scales) => within("layers with scales", scales.layers.len(), self.model.layers, self.model.layers),
            None => Ok(()),
        }
    }
}

/// A run on disk.
pub struct Checkpoint {
    /// Everything but tensors.
    pub state: State,
    /// Parameters and moments.
    pub training: TrainingState,
}

struct Floats<'a> {
    shape: Vec<usize>,
    values: &'a [f32],
}

impl View for Floats<'_> {
    fn dtype(&self) -> Dtype {
        Dtype::F32
    }

    fn shape(&self) -> &[usize] {
        &self.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        little_endian(self.values)
    }

    fn data_len(&self) -> usize {
        4 * self.values.len()
    }
}

/// The values as a file has them.
fn little_endian(values: &[f32]) -> Cow<'_, [u8]> {
    if cfg!(target_endian = "little") {
        bytemuck::cast_slice(values).into()
    } else {
        values.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<u8>>().into()
    }
}

/// The checksum of a checkpoint: of its state, and of the values of its tensors in their order.
fn checksum<'a>(state: &str, tensors: impl Iterator<Item = &'a [u8]>) -> String {
    let mut hash = Sha256::new().chain_update(state);
    tensors.for_each(|values| hash.update(values));
    finished(hash)
}

/// Names of the optimizer's moments.
const MOMENTS: [&str; 2] = ["optimizer.first", "optimizer.second"];

/// Why a checkpoint was not read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CheckpointError {
    /// The file cannot be read.
    #[error("cannot read checkpoint {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// It is no regular file.
    #[error("cannot read checkpoint")]
    File(#[source] FileError),
    /// It is no `.safetensors` file.
    #[error("{} is not a checkpoint of `equalinfo train`", path.display())]
    NotSafetensors {
        /// The file.
        path: PathBuf,
        /// What its reader found.
        source: safetensors::SafeTensorError,
    },
    /// It holds something else, or is of another version.
    #[error("{} is not a checkpoint of `equalinfo train`: expected format {FORMAT}, found {found}", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// The format that it names.
        found: String,
    },
    /// What is written beside the tensors does not read back.
    #[error("{} is not a checkpoint of `equalinfo train`", path.display())]
    State {
        /// The file.
        path: PathBuf,
        /// Where it is not.
        source: serde_json::Error,
    },
    /// A tensor is missing, or is not what the model has there.
    #[error("{}: tensor {tensor} is {found}, expected {expected}", path.display())]
    Tensor {
        /// The file.
        path: PathBuf,
        /// The tensor's name.
        tensor: String,
        /// What it is.
        found: String,
        /// What it should be.
        expected: String,
    },
    /// It is not what was written: a bit flipped, or a part is of another file.
    #[error("{}: damaged: its checksum is {found}, expected {expected}", path.display())]
    Checksum {
        /// The file.
        path: PathBuf,
        /// The SHA-256 of its content.
        found: String,
        /// The one that it names.
        expected: String,
    },
    /// It names sizes that no model has.
    #[error("{}: {bounds}", path.display())]
    Bounds {
        /// The file.
        path: PathBuf,
        /// Which, and what they may be.
        bounds: OutOfBounds,
    },
    /// It has fewer values than a model of its sizes.
    #[error("{}: {found} bytes, expected at least {expected} for a model of these sizes", path.display())]
    Short {
        /// The file.
        path: PathBuf,
        /// Its length.
        found: u64,
        /// What the parameters take.
        expected: u64,
    },
    /// A value is NaN or infinite.
    #[error("{}: value {index} of tensor {tensor} is {found}, expected a finite number", path.display())]
    NotFinite {
        /// The file.
        path: PathBuf,
        /// The tensor's name.
        tensor: String,
        /// The value's place in it.
        index: usize,
        /// What it is.
        found: f32,
    },
    /// It is of another kind of model.
    #[error("{}: a checkpoint of {found}, expected one of {expected}", path.display())]
    Kind {
        /// The file.
        path: PathBuf,
        /// What it is of.
        found: Kind,
        /// What was asked for.
        expected: Kind,
    },
    /// It cannot be written.
    #[error(transparent)]
    Write(#[from] FileError),
    /// Its tensors or its state cannot be put into the file's form.
    #[error("{}: cannot be written", path.display())]
    Form {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

type Result<T, E = CheckpointError> = std::result::Result<T, E>;

impl Checkpoint {
    /// Writes to a temporary file beside `path` and renames it, so that a run killed at any moment leaves a whole checkpoint.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn save(&self, path: &Path) -> Result<()> {
        let mut views: Vec<(String, Floats)> = Vec::new();
        for tensor in self.state.model.tensors() {
            let values = &self.training.parameters[tensor.range()];
            views.push((tensor.name, Floats { shape: vec![tensor.rows, tensor.columns], values }));
        }
        for (name, values) in MOMENTS.into_iter().zip([&self.training.first, &self.training.second]) {
            views.push((name.into(), Floats { shape: vec![values.len()], values }));
        }
        let form =
            |source: Box<dyn std::error::Error + Send + Sync>| CheckpointError::Form { path: path.to_owned(), source };
        let state = serde_json::to_string(&self.state).map_err(|error| form(error.into()))?;
        let contents: Vec<Cow<[u8]>> = views.iter().map(|(_, view)| little_endian(view.values)).collect();
        let sha256 = checksum(&state, contents.iter().map(AsRef::as_ref));
        drop(contents);
        let metadata = [("format", FORMAT.to_owned()), ("state", state), ("sha256", sha256)];
        let metadata = HashMap::from(metadata.map(|(name, value)| (name.to_owned(), value)));
        let bytes = safetensors::serialize(views, Some(metadata)).map_err(|error| form(error.into()))?;
        Ok(files::write(path, &bytes)?)
    }

    /// Reads a checkpoint.
    ///
    /// # Errors
    /// It cannot be read, is not one, is damaged, or has sizes or values that no model has.
    pub fn load(path: &Path) -> Result<Self> {
        let owned = || path.to_owned();
        let (mut file, length) = files::open_regular(path).map_err(CheckpointError::File)?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(|source| CheckpointError::Read { path: owned(), source })?;
        let no_tensors = |source| CheckpointError::NotSafetensors { path: owned(), source };
        let (_, header) = SafeTensors::read_metadata(&bytes).map_err(no_tensors)?;
        let metadata = header.metadata().clone().unwrap_or_default();
        let entry = |name: &str| metadata.get(name).map_or("none", String::as_str);
        if entry("format") != FORMAT {
            return Err(CheckpointError::Format { path: owned(), found: entry("format").to_owned() });
        }
        let state: State =
            serde_json::from_str(entry("state")).map_err(|source| CheckpointError::State { path: owned(), source })?;
        state.check().map_err(|bounds| CheckpointError::Bounds { path: owned(), bounds })?;
        let expected = 4 * state.model.parameters() as u64;
        if length < expected {
            return Err(CheckpointError::Short { path: owned(), found: length, expected });
        }
        let tensors = SafeTensors::deserialize(&bytes).map_err(no_tensors)?;
        let other = |tensor: &str, found: String, expected: String| CheckpointError::Tensor {
            path: owned(),
            tensor: tensor.to_owned(),
            found,
            expected,
        };
        let read = |name: &str| {
            let missing = |_| other(name, "missing".to_owned(), format!("{:?}", Dtype::F32));
            let view = tensors.tensor(name).map_err(missing)?;
            match view.dtype() {
                Dtype::F32 => Ok(view),
                found => Err(other(name, format!("{found:?}"), format!("{:?}", Dtype::F32))),
            }
        };
        let mut views = Vec::new();
        for tensor in state.model.tensors() {
            let view = read(&tensor.name)?;
            let expected = [tensor.rows, tensor.columns];
            if view.shape() != expected {
                return Err(other(&tensor.name, format!("of shape {:?}", view.shape()), format!("{expected:?}")));
            }
            views.push((tensor.name, view));
        }
        let [first, second] = MOMENTS.map(|name| read(name).map(|view| (name.to_owned(), view)));
        let moments = [first?, second?];
        let found = checksum(entry("state"), views.iter().chain(&moments).map(|(_, view)| view.data()));
        if found != entry("sha256") {
            return Err(CheckpointError::Checksum { path: owned(), found, expected: entry("sha256").to_owned() });
        }
        let values = |(tensor, view): &(String, safetensors::tensor::TensorView)| -> Result<Vec<f32>> {
            let values: Vec<f32> = view.data().as_chunks().0.iter().copied().map(f32::from_le_bytes).collect();
            match values.iter().position(|value| !value.is_finite()) {
                Some(index) => {
                    let (tensor, found) = (tensor.clone(), values[index]);
                    Err(CheckpointError::NotFinite { path: owned(), tensor, index, found })
                }
                None => Ok(values),
            }
        };
        let mut parameters = Vec::with_capacity(state.model.parameters());
        for tensor in &views {
            parameters.extend(values(tensor)?);
        }
        let [first, second] = moments;
        let (first, second) = (values(&first)?, values(&second)?);
        Ok(Self { training: TrainingState { parameters, first, second, step: state.step }, state })
    }

    /// Reads a checkpoint of a kind.
    ///
    /// # Errors
    /// As [`Self::load`], or it is of the other kind.
    pub fn load_of(path: &Path, expected: Kind) -> Result<Self> {
        let checkpoint = Self::load(path)?;
        let found = checkpoint.state.origin.kind();
        if found != expected {
            return Err(CheckpointError::Kind { path: path.to_owned(), found, expected });
        }
        Ok(checkpoint)
    }
}

#[cfg(test)]
mod tests;
