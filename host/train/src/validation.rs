//! What a run is validated on.

use crate::data::{Text, validation_batches, validation_pieces};
use crate::graph::{Batch, ModelConfig};
use crate::settings::{DEV_LENGTH, Settings};

/// Held-out text per validation, in bytes.
pub const DEV_BYTES: usize = 512 << 10;

/// Text that a run is validated on.
pub struct Validation {
    /// Contexts with their targets.
    pub batches: Vec<Batch>,
    /// Bytes of text that a position stands for.
    pub ratio: f64,
}

impl Validation {
    /// Documents, each a context of its own that slides.
    pub fn of_text(text: &Text, model: &ModelConfig, settings: &Settings) -> Self {
        let pieces = validation_pieces(text, DEV_BYTES, DEV_LENGTH);
        let capacity = settings.micro_batch.max(DEV_LENGTH);
        Self { batches: validation_batches(&pieces, capacity, model.context, model.start_symbol()), ratio: 1.0 }
    }
}
