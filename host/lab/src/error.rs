//! What goes wrong in evaluation and experiments.

use std::io;
use std::path::PathBuf;

use equalinfo::files::FileError;
use equalinfo::tokens::shards::{Difference, listed};
use equalinfo_train::TrainError;

use crate::experiment::plan::PlanError;

/// A result of this crate.
pub type Result<T, E = LabError> = std::result::Result<T, E>;

/// Why something was not measured.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LabError {
    /// The library refused a model, a text or tokens.
    #[error(transparent)]
    Library(Box<dyn std::error::Error + Send + Sync>),
    /// An M2 was not trained or measured.
    #[error(transparent)]
    Train(#[from] TrainError),
    /// An output was not written.
    #[error(transparent)]
    Output(#[from] FileError),
    /// A result or another file of an experiment does not read back.
    #[error("{}: damaged", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What its reader found.
        source: serde_json::Error,
    },
    /// A general-purpose compressor failed.
    #[error("{compressor} failed")]
    Compressor {
        /// The compressor's name.
        compressor: &'static str,
        /// Its answer.
        source: io::Error,
    },
    /// A stream did not decompress to its text.
    #[error("{compressor}: text {text} does not come back as it was")]
    NotTheSame {
        /// The row.
        compressor: String,
        /// The number of the text.
        text: usize,
    },
    /// zstd cannot train a dictionary on the samples.
    #[error("zstd cannot train a dictionary on so little text; give it more samples")]
    Dictionary(#[source] io::Error),
    /// No lexicon of that number was given, or what was given is none.
    #[error("there is no lexicon {0} to measure")]
    NoLexicon(usize),
    /// The context is empty or longer than the model's.
    #[error("a context of {asked}: expected 1 to {largest}, the context that the model was trained with")]
    Context {
        /// Bytes that were asked for.
        asked: usize,
        /// Bytes that the model has.
        largest: usize,
    },
    /// GPUs run M1, and the method has none.
    #[error("a GPU runs an M1; lexicons, byte frequencies and subwords need none")]
    OnlyM1OnGpu,
    /// There is no text in the files of a sample.
    #[error("there is no text in these files")]
    NoText,
    /// A lexicon was built in which almost no text has a code: the model is broken.
    #[error("only {0} texts have a code")]
    FewCodes(usize),
    /// The plan of an experiment is none.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// The directory of an experiment holds another one.
    #[error("{}: holds another experiment: {}", directory.display(), listed(differences))]
    OtherExperiment {
        /// The directory.
        directory: PathBuf,
        /// In what it is another one, and what was asked for.
        differences: Vec<Difference>,
    },
    /// A file of results is of another method or size than its name says.
    #[error("{}: a result of {found}, expected one of {expected}", path.display())]
    OtherResult {
        /// The file.
        path: PathBuf,
        /// What it is of.
        found: String,
        /// What its name says.
        expected: String,
    },
    /// A launcher started several processes; an experiment is one.
    #[error("an experiment is one process, but a launcher started {0}")]
    SeveralRanks(usize),
    /// A plot of the report cannot be drawn.
    #[error("cannot draw a plot: {0}")]
    Plot(String),
}

/// Errors of the library, of which this crate says nothing of its own.
macro_rules! of_library {
    ($($error:ty),* $(,)?) => {
        $(impl From<$error> for LabError {
            fn from(error: $error) -> Self {
                Self::Library(error.into())
            }
        })*
    };
}

of_library!(
    equalinfo::CodingError,
    equalinfo::LoadError,
    equalinfo::MessageError,
    equalinfo::StreamError,
    equalinfo::TokenError,
    equalinfo::accelerator::AcceleratorError,
    equalinfo::corpus::CorpusError,
    equalinfo::cuda::CudaError,
    equalinfo::engine::EngineError,
    equalinfo::lexicon::LexiconBuildError,
    equalinfo::store::StoreError,
    equalinfo::subwords::SubwordError,
    equalinfo::tokens::shards::ShardError,
);

impl LabError {
    /// For `map_err` on what the library refused.
    pub(crate) fn library(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Library(error.into())
    }
}
