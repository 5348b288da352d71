//! How much of a batch runs at once.

use equalinfo::cuda::Place;
use equalinfo_kernels::cross_entropy::CrossEntropyPlan;

use crate::cpu::Cpu;
use crate::device::LinearShape;
use crate::graph::ModelConfig;
use crate::optimizer::{Optimizer, OptimizerKind, Sharding};

/// Positions of a micro-batch on a GPU, at most: enough to keep it busy.
const GPU_MICRO_BATCH: usize = 1 << 16;
/// More multiprocessors than a GPU has: the more there are, the more memory the output takes.
const MULTIPROCESSORS: usize = 256;
/// Share of a GPU's memory that training plans with; the rest is for what the driver and batches take.
const USABLE_MEMORY: f64 = 0.9;

/// Bytes that training on a GPU takes: with all that there is for each parameter, for each position that runs at once, and for the output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MemoryEstimate {
    /// For parameters, gradients and this rank's moments.
    pub parameters: usize,
    /// For a position that runs.
    pub position: usize,
    /// For the output's chunks, however many positions run.
    pub output: usize,
}

impl MemoryEstimate {
    /// Counts what [`Graph`](crate::graph::Graph), the optimizer and [`GpuBackend`](super::gpu::GpuBackend) allocate.
    pub fn new(model: &ModelConfig, optimizer: OptimizerKind, recompute: bool, ranks: usize) -> Self {
        let (d, ff, heads) = (model.width(), model.feed_forward, model.heads);
        // f32 masters with a copy in bf16, f32 gradients, and this rank's moments.
        let sharding = Sharding::new(model.parameters(), (0, ranks));
        let moments: usize = Optimizer::<Cpu>::rank_state_lengths(optimizer, model, sharding).iter().sum();
        let parameters = 10 * model.parameters() + 4 * moments;
        // A residual stream of 4 bytes a value twice a layer, the other activations in bf16, sums of rows and heads.
        let layer = 20 * d + 6 * ff + 8 + 4 * heads;
        let (input, gradients) = (4 * d, 20 * d + 6 * ff + 4);
        let layers = if recompute { model.layers * input + layer } else { model.layers * layer };
        let shape = LinearShape { tokens: GPU_MICRO_BATCH, inputs: d, outputs: model.vocabulary };
        let output = CrossEntropyPlan::new(shape, MULTIPROCESSORS).workspace_bytes(true);
        Self { parameters, position: layers + gradients, output }
    }
}

/// Positions that run at once: a row on each thread of the CPU, where a row's activations stay in its cache, and on a GPU as many rows as fit into its memory and
/// still add to its speed.
///
/// # Errors
/// Not even one row fits the GPU.
pub fn micro_batch(
    place: &Place,
    estimate: &MemoryEstimate,
    batch: usize,
    sequence: usize,
) -> Result<usize, TooLittleMemory> {
    let Place::Cuda(driver) = place else { return Ok(sequence) };
    rows_that_fit(estimate, driver.device().memory, batch, sequence)
}

/// A GPU's memory does not hold even one row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "training needs {:.1} GiB for parameters, gradients and moments, {:.1} GiB for the output and {:.1} GiB for a row of {sequence}, \
     and the GPU has {:.1} GiB; recomputing activations takes less",
    gib(estimate.parameters), gib(estimate.output), gib(estimate.position * sequence), gib(*memory)
)]
pub struct TooLittleMemory {
    /// What training takes.
    pub estimate: MemoryEstimate,
    /// Positions in a row.
    pub sequence: usize,
    /// Bytes that the GPU has.
    pub memory: usize,
}

fn gib(bytes: usize) -> f64 {
    bytes as f64 / (1u64 << 30) as f64
}

fn rows_that_fit(
    estimate: &MemoryEstimate,
    memory: usize,
    batch: usize,
    sequence: usize,
) -> Result<usize, TooLittleMemory> {
    let usable = (memory as f64 * USABLE_MEMORY) as usize;
    let rows = usable.saturating_sub(estimate.parameters + estimate.output) / (estimate.position * sequence).max(1);
    if rows == 0 {
        return Err(TooLittleMemory { estimate: *estimate, sequence, memory });
    }
    let most = (GPU_MICRO_BATCH / sequence.max(1)).clamp(1, batch.max(1));
    Ok(sequence * rows.min(most))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::m2::Preset;

    #[test]
    fn rows_are_as_many_as_fit() {
        let memory = 80 << 30;
        let estimate = |preset: Preset, vocabulary| {
            MemoryEstimate::new(&preset.config(vocabulary, 512), OptimizerKind::Adamw, false, 1)
        };
        let small = rows_that_fit(&estimate(Preset::M25, 256), memory, 256, 512).unwrap();
        assert_eq!(small, GPU_MICRO_BATCH);
        let large = rows_that_fit(&estimate(Preset::M403, 1 << 16), memory, 256, 512).unwrap();
        assert!((16 * 512..GPU_MICRO_BATCH).contains(&large), "{large} positions");
        let taken = estimate(Preset::M403, 1 << 16);
        assert!(taken.parameters + taken.output + large * taken.position < memory);
        assert!(taken.output > 512 << 20, "{} bytes", taken.output);
        assert_eq!(rows_that_fit(&taken, memory, 4, 512).unwrap(), 4 * 512);
        let all = estimate(Preset::B2, 1 << 16);
        let of_ranks = |ranks| MemoryEstimate::new(&Preset::B2.config(1 << 16, 512), OptimizerKind::Adamw, true, ranks);
        let inputs = of_ranks(1);
        // Moments are 8 bytes of 18 a parameter.
        assert!((of_ranks(8).parameters as f64 / inputs.parameters as f64 - 11.0 / 18.0).abs() < 1e-4);
        assert!(inputs.parameters == all.parameters && 4 * inputs.position < all.position, "{inputs:?}, {all:?}");
        let error = rows_that_fit(&estimate(Preset::B2, 1 << 16), 24 << 30, 256, 512).unwrap_err().to_string();
        assert!(error.contains("24.0 GiB") && error.contains("a row of 512"), "{error}");
    }
}
