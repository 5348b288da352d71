//! What stops a training run or a measurement.

use std::io;
use std::path::{Path, PathBuf};

use equalinfo::files::FileError;
use equalinfo::tokens::shards::{Difference, Meaning, listed};
use equalinfo_codec::m1::ngrams::{MAX_ORDER, MAX_ROWS, MIN_ORDER};

use crate::backend::memory::TooLittleMemory;
use crate::bounds::OutOfBounds;
use crate::checkpoint::{CheckpointError, Kind};
use crate::data::DataError;
use crate::device::DeviceError;
use crate::graph::ModelConfig;
use crate::grow::CannotGrow;
use crate::optimizer::OptimizerKind;
use crate::ranks::RankError;
use crate::settings::UnevenBatch;

/// A result of this crate.
pub type Result<T, E = TrainError> = std::result::Result<T, E>;

/// Why a model was not trained or measured.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrainError {
    /// The library refused a model.
    #[error(transparent)]
    Library(Box<dyn std::error::Error + Send + Sync>),
    /// There is nothing to train on or to measure.
    #[error(transparent)]
    Data(#[from] DataError),
    /// A checkpoint was not read or written.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// The device failed.
    #[error(transparent)]
    Device(#[from] DeviceError),
    /// The processes of a run do not come together, or one of them is gone.
    #[error(transparent)]
    Ranks(#[from] RankError),
    /// The GPU is too small.
    #[error(transparent)]
    Memory(#[from] TooLittleMemory),
    /// A model does not grow to the one that was asked for.
    #[error(transparent)]
    Grow(#[from] CannotGrow),
    /// The rows of a step cannot be dealt to the ranks.
    #[error(transparent)]
    Batch(#[from] UnevenBatch),
    /// An output was not written.
    #[error(transparent)]
    Output(#[from] FileError),
    /// The system refused a file of the run.
    #[error("cannot {action} {}", path.display())]
    File {
        /// The file or directory.
        path: PathBuf,
        /// What was tried.
        action: &'static str,
        /// The system's answer.
        source: io::Error,
    },
    /// The windows that a run resumes with do not read back.
    #[error("{}: damaged: {found}", path.display())]
    DamagedWindows {
        /// Their file.
        path: PathBuf,
        /// What is wrong with it.
        found: String,
    },
    /// There is a run in the output directory, which was not to be resumed.
    #[error("{} exists: resume that run or choose another output directory", checkpoint.display())]
    RunExists {
        /// Its checkpoint.
        checkpoint: PathBuf,
    },
    /// A file that the run would write is there already.
    #[error("{} exists: choose another output directory or name", path.display())]
    FileExists {
        /// The file.
        path: PathBuf,
    },
    /// A name that no model or file can have.
    #[error(
        "name {found:?}: expected 1 to {longest} printable ASCII characters without spaces and slashes, the first of \
         them no dot"
    )]
    Name {
        /// The name.
        found: String,
        /// How long it may be.
        longest: usize,
    },
    /// There is no run in the output directory to resume.
    #[error("there is no checkpoint {} to resume", checkpoint.display())]
    NothingToResume {
        /// Where it would be.
        checkpoint: PathBuf,
    },
    /// The checkpoint is of another model.
    #[error("the checkpoint holds another model: {found:?}, expected {expected:?}")]
    OtherModel {
        /// The checkpoint's.
        found: Box<ModelConfig>,
        /// The run's.
        expected: Box<ModelConfig>,
    },
    /// The checkpoint's moments are those of another optimizer.
    #[error("the checkpoint's optimizer is not {expected:?}")]
    OtherOptimizer {
        /// The run's.
        expected: OptimizerKind,
    },
    /// The run was begun on other text, messages or tokens.
    #[error("the run was begun on other {what}: SHA-256 {found}, expected {expected}, that of the {what} given now")]
    OtherText {
        /// Which of them.
        what: &'static str,
        /// The digest that the checkpoint has.
        found: String,
        /// That of what was given.
        expected: String,
    },
    /// The checkpoint is of another kind of model.
    #[error("the checkpoint is of {found}, expected {expected}")]
    OtherKind {
        /// The checkpoint's.
        found: Kind,
        /// What is trained.
        expected: Kind,
    },
    /// The run was begun with other settings.
    #[error("{}: the run was begun with {}", checkpoint.display(), listed(differences))]
    OtherOptions {
        /// Its checkpoint.
        checkpoint: PathBuf,
        /// What it was begun with, and what was asked for.
        differences: Vec<Difference>,
    },
    /// A size or a number beyond what a run or a model has.
    #[error(transparent)]
    Bounds(#[from] OutOfBounds),
    /// Sequences that are too short to learn the model's context from.
    #[error("sequences of {sequence} bytes are too short for a context of {context}")]
    ShortSequence {
        /// Bytes in a sequence.
        sequence: usize,
        /// Bytes of context.
        context: usize,
    },
    /// Shares of windows and messages that are more than everything.
    #[error("the shares of windows and messages add up to more than 1")]
    Shares,
    /// N-gram tables of orders that an image has no place for.
    #[error("n-gram tables of orders {orders:?}: expected rising numbers from {MIN_ORDER} to {MAX_ORDER}, or none")]
    TableOrders {
        /// The orders.
        orders: Vec<usize>,
    },
    /// Numbers of rows that do not match the n-gram tables, or that an image has no place for.
    #[error(
        "n-gram tables of {rows:?} rows: expected a number from 1 to {MAX_ROWS} for each of {orders:?}, or one for all"
    )]
    TableRows {
        /// The rows.
        rows: Vec<usize>,
        /// The orders of the tables.
        orders: Vec<usize>,
    },
    /// A decay that is longer than the run.
    #[error("the learning rate decays over more steps than there are")]
    LongDecay,
    /// The warm-up that was asked for takes longer than the run.
    #[error("the learning rate rises over {warm_up} steps, but there are {steps}")]
    LongWarmUp {
        /// Steps of the warm-up.
        warm_up: u64,
        /// Steps of the run.
        steps: u64,
    },
    /// The loss is no longer a number.
    #[error("the loss is no longer a number at step {step}: lower the learning rate")]
    NotFinite {
        /// The step.
        step: u64,
    },
    /// The tokens are not those of the checkpoint's model.
    #[error(
        "{}: {vocabulary} tokens in rows of {sequence}, but the checkpoint is of a model of {} and {}",
        data.display(), model.vocabulary, model.context
    )]
    OtherVocabulary {
        /// Directory of the tokens.
        data: PathBuf,
        /// Different tokens.
        vocabulary: usize,
        /// Tokens in a row.
        sequence: usize,
        /// The checkpoint's model.
        model: Box<ModelConfig>,
    },
    /// Tokens are not what a model was trained on, or what other tokens are.
    #[error("{what} tokens are {found}, expected {expected}")]
    OtherTokens {
        /// Which tokens.
        what: &'static str,
        /// What they are.
        found: Box<Meaning>,
        /// What the checkpoint or the other tokens have.
        expected: Box<Meaning>,
    },
    /// The tokens were made with another M1.
    #[error("these tokens were made with model {expected}, but this is {name} {found}; name the model that made them")]
    OtherM1 {
        /// Id of the M1 that made them.
        expected: String,
        /// Name of the one that was given.
        name: String,
        /// Its id.
        found: String,
    },
    /// An M2 whose logits are infinite or NaN codes no tokens.
    #[error("row {row}, token {position}: the model's output is no number")]
    NoNumber {
        /// The row, from 0.
        row: usize,
        /// The place in it, from 0.
        position: usize,
    },
    /// M2 does not decode a code to the tokens.
    #[error(
        "row {row}, token {position}: the code decodes to {found}, expected token {expected}; \
         it is damaged, or M2 did not compute the same twice"
    )]
    Unproven {
        /// The row, from 0.
        row: usize,
        /// The place in it, from 0.
        position: usize,
        /// What the code says.
        found: String,
        /// What is in the shards.
        expected: u32,
    },
    /// A code decodes to the tokens, and is not the one that M2 writes for them.
    #[error("the code is not the one of these tokens, although it decodes to them: its end is damaged")]
    OtherCode,
    /// No token with a loss was measured.
    #[error("no tokens to measure")]
    NoTokens,
}

/// Errors of the library, of which this crate says nothing of its own.
macro_rules! of_library {
    ($($error:ty),* $(,)?) => {
        $(impl From<$error> for TrainError {
            fn from(error: $error) -> Self {
                Self::Library(error.into())
            }
        })*
    };
}

of_library!(
    equalinfo::LoadError,
    equalinfo::TokenError,
    equalinfo::corpus::CorpusError,
    equalinfo::cuda::CudaError,
    equalinfo::engine::EngineError,
    equalinfo::quantize::QuantizeError,
    equalinfo::store::StoreError,
    equalinfo::tokens::shards::ShardError,
);

impl TrainError {
    /// For `map_err` on what the library refused.
    pub(crate) fn library(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Library(error.into())
    }

    /// For `map_err` on what the system refused.
    pub(crate) fn file(path: &Path, action: &'static str) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::File { path, action, source }
    }
}
