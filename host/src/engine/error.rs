//! Why an engine does not run.

use equalinfo_codec::m1::ModelError;

/// Why a model cannot run as requested.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EngineError {
    /// The environment variable names an unknown path, or one that this processor lacks.
    #[error("{variable}={found}: expected one of {}", expected.join(", "))]
    Simd {
        /// The environment variable.
        variable: &'static str,
        /// The paths of this processor.
        expected: Vec<&'static str>,
        /// What it says.
        found: String,
    },
    /// The context is zero or longer than the model's.
    #[error(transparent)]
    Model(#[from] ModelError),
}
