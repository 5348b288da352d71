//! `cross_entropy.cu`: cross-entropy fused with the output projection, in chunks of positions.

use half::bf16;

use crate::gemm::{self, LinearShape, Names, Operand, Product, TokenParts};
use crate::{Driver, Kernel, Launch, View, arguments};

const fn kernel(name: &'static str) -> Kernel {
    Kernel { unit: "cross_entropy", name }
}

const COMBINE: Kernel = kernel("cross_entropy_combine");
const CLEAR: Kernel = kernel("cross_entropy_clear");
const ADD_LOSSES: Kernel = kernel("cross_entropy_add_losses");

/// A product that exists in `cross_entropy.cu` and in `cross_entropy_hopper.cu`.
const fn product(portable: &'static str, warpgroup: &'static str) -> Names {
    Names(kernel(portable), Kernel { unit: "cross_entropy_hopper", name: warpgroup })
}

const STATISTICS: Names = product("cross_entropy_statistics", "cross_entropy_statistics_hopper");
const GRADIENT: Names = product("cross_entropy_gradient", "cross_entropy_gradient_hopper");

/// Outputs whose logits are reduced to one maximum and one sum.
const PART: usize = 64;
const POSITIONS_A_BLOCK: usize = 32;
/// Logit gradients per chunk: 512 MiB.
const CHUNK_VALUES: usize = 1 << 28;
/// Chunks start at multiples of this, so that their rows are aligned for 16-byte copies.
const CHUNK_STEP: usize = 128;

/// A target without a loss.
pub const IGNORED: u32 = u32::MAX;

/// What a position adds to the loss: `-ln(p)` of the target plus `z_loss * ln(Z)^2`.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Objective {
    /// Weight of the squared logarithm of the softmax's sum; it enters the gradients, not the reported loss.
    pub z_loss: f32,
    /// Probability that each of the outputs gets in any case: `p = (1 - outputs * floor) * softmax + floor`.
    pub floor: f32,
}

/// The sizes of a call and of its chunks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CrossEntropyPlan {
    /// Positions, width and outputs.
    pub shape: LinearShape,
    /// Positions per chunk.
    pub chunk: usize,
    multiprocessors: usize,
}

/// Values in a row of logit gradients: a multiple of 8.
fn padded(outputs: usize) -> usize {
    outputs.next_multiple_of(8)
}

/// The offsets in bytes of a workspace's parts; the last is the workspace's length.
struct Offsets {
    parts: usize,
    wanted: usize,
    coefficients: usize,
    losses: usize,
    dlogits: usize,
    weights: usize,
    end: usize,
}

impl CrossEntropyPlan {
    /// For a device with so many multiprocessors.
    pub fn new(shape: LinearShape, multiprocessors: usize) -> Self {
        let chunk = (CHUNK_VALUES / shape.outputs.max(1)).next_multiple_of(CHUNK_STEP);
        Self { shape, chunk: chunk.min(shape.tokens).max(1), multiprocessors }
    }

    /// The same plan in chunks of `chunk` positions, a multiple of 128.
    pub fn with_chunk(self, chunk: usize) -> Self {
        assert!(chunk > 0 && chunk.is_multiple_of(CHUNK_STEP), "chunks of {chunk} positions");
        Self { chunk: chunk.min(self.shape.tokens).max(1), ..self }
    }

    /// The shape of the products of a chunk's logit gradients, whose rows are filled up with zeros.
    fn chunk_shape(&self, tokens: usize) -> LinearShape {
        LinearShape { tokens, outputs: padded(self.shape.outputs), ..self.shape }
    }

    fn offsets(&self, gradient: bool) -> Offsets {
        let mut end = 0usize;
        let mut take = |bytes: usize| {
            let start = end;
            end = (end + bytes).next_multiple_of(256);
            start
        };
        let parts = take(self.shape.outputs.div_ceil(PART) * self.chunk * 8);
        let (wanted, coefficients) = (take(self.chunk * 4), take(self.chunk * 16));
        let losses = take(self.loss_blocks() * 16);
        let dlogits = take(if gradient { self.chunk * padded(self.shape.outputs) * 2 } else { 0 });
        let weights = take(if gradient { self.weight_values() * 4 } else { 0 });
        Offsets { parts, wanted, coefficients, losses, dlogits, weights, end }
    }

    /// The f32 values that a chunk's weight gradient needs; the last chunk may be cut into other parts.
    fn weight_values(&self) -> usize {
        let last = self.shape.tokens % self.chunk;
        let values = |tokens| {
            let shape = self.chunk_shape(tokens);
            TokenParts::new(shape, self.multiprocessors).workspace(shape)
        };
        values(self.chunk).max(values(last))
    }

    fn loss_blocks(&self) -> usize {
        let blocks = |tokens: usize| tokens.div_ceil(POSITIONS_A_BLOCK);
        self.shape.tokens / self.chunk * blocks(self.chunk) + blocks(self.shape.tokens % self.chunk)
    }

    /// The size of the workspace in bytes.
    pub fn workspace_bytes(&self, gradient: bool) -> usize {
        self.offsets(gradient).end
    }
}

/// The input of [`cross_entropy`].
#[derive(Debug)]
pub struct Input<'a, B> {
    /// Rows of `inputs` values, bf16.
    pub x: View<'a, B>,
    /// `outputs` rows of `inputs` values, bf16. For gradients it goes on with finite values up to the next multiple of 8
    /// rows.
    pub w: View<'a, B>,
    /// One output per position, or [`IGNORED`]; `u32`.
    pub targets: View<'a, B>,
}

/// Where [`cross_entropy`] writes the requested results.
#[derive(Debug)]
pub struct Output<'a, B> {
    /// The sum of nats and the number of positions counted are added here: 2 f64.
    pub total: View<'a, B>,
    /// The nats of each position, f32, 0 where ignored.
    pub nats: Option<View<'a, B>>,
    /// How far the target's logit lies below the largest, for each position, f32, 0 where ignored.
    pub behind: Option<View<'a, B>>,
    /// Gradients.
    pub gradient: Option<Gradient<'a, B>>,
}

/// Gradients of the sum of the losses, times `scale`.
#[derive(Debug)]
pub struct Gradient<'a, B> {
    /// The factor.
    pub scale: f32,
    /// The gradient of x, bf16; overwritten.
    pub dx: View<'a, B>,
    /// The gradient of W, f32; added to. Zeros are added to what follows it, up to the next multiple of 8 rows.
    pub dw: View<'a, B>,
}

/// Cross-entropy of `softmax(x W^T)` against the targets. `workspace` holds [`CrossEntropyPlan::workspace_bytes`] bytes of no consequence.
pub fn cross_entropy<D: Driver>(
    driver: &D,
    plan: CrossEntropyPlan,
    objective: Objective,
    input: &Input<D::Buffer>,
    output: &Output<D::Buffer>,
    workspace: View<D::Buffer>,
) -> Result<(), D::Error> {
    let LinearShape { tokens, inputs, outputs } = plan.shape;
    assert!(inputs.is_multiple_of(8), "{inputs} values to {outputs} outputs");
    if tokens == 0 || inputs == 0 || outputs == 0 {
        return Ok(());
    }
    let x = input.x.expect::<bf16>("x", tokens * inputs);
    let w = input.w.expect::<bf16>("w", outputs * inputs);
    let targets = input.targets.expect::<u32>("targets", tokens);
    let total = output.total.expect::<f64>("total", 2);
    let nats = output.nats.map(|nats| nats.expect::<f32>("nats", tokens));
    let behind = output.behind.map(|behind| behind.expect::<f32>("behind", tokens));
    let offsets = plan.offsets(output.gradient.is_some());
    let workspace = workspace.expect::<u8>("workspace", offsets.end);
    let [parts, wanted, coefficients, losses, dlogits, weights] =
        [offsets.parts, offsets.wanted, offsets.coefficients, offsets.losses, offsets.dlogits, offsets.weights]
            .map(|offset| workspace.skip::<u8>(offset));
    let scale = output.gradient.as_ref().map_or(0.0, |gradient| gradient.scale);
    let mut loss_blocks = 0;
    for first in (0..tokens).step_by(plan.chunk) {
        let count = plan.chunk.min(tokens - first);
        let (x, targets) = (x.skip::<bf16>(first * inputs), targets.skip::<u32>(first));
        let logits = |names| {
            let operands = [Operand::by_depth("x", x, count, inputs), Operand::by_depth("w", w, outputs, inputs)];
            Product { names, operands, rows: count, columns: outputs, gated: false, parts: 1 }
        };
        let blocks = count.div_ceil(POSITIONS_A_BLOCK);
        let losses = losses.skip::<f64>(2 * loss_blocks);
        loss_blocks += blocks;
        let [nats, behind] = [nats, behind].map(|values| values.map(|values| values.skip::<f32>(first)));
        let (Objective { z_loss, floor }, combine) = (objective, Launch::linear(blocks as u32, 256));
        // SAFETY: the kernels read `count` rows of x and targets and all of w, and write their parts of the workspace,
        // whose sizes were checked; targets that are not an output select nothing.
        unsafe {
            let arguments = arguments![targets, parts, wanted, count, inputs, outputs];
            logits(STATISTICS).launch(driver, arguments)?;
            let arguments = arguments![
                parts,
                wanted,
                targets,
                coefficients,
                nats,
                behind,
                losses,
                count,
                outputs,
                z_loss,
                floor,
                scale
            ];
            driver.launch(COMBINE, combine, arguments)?;
        }
        if let Some(gradient) = &output.gradient {
            let arguments = arguments![targets, coefficients, dlogits, count, inputs, outputs];
            // SAFETY: as above; dlogits has room for a chunk.
            unsafe { logits(GRADIENT).launch(driver, arguments)? };
            if !outputs.is_multiple_of(8) {
                let (clear, arguments) =
                    (Launch::linear(count.div_ceil(256) as u32, 256), arguments![dlogits, count, outputs]);
                // SAFETY: as above.
                unsafe { driver.launch(CLEAR, clear, arguments)? };
            }
            let shape = plan.chunk_shape(count);
            gemm::linear_backward_input(driver, shape, dlogits, w, gradient.dx.skip::<bf16>(first * inputs))?;
            let token_parts = TokenParts::new(shape, plan.multiprocessors);
            gemm::linear_backward_weight(driver, shape, token_parts, dlogits, x, Some(weights), gradient.dw)?;
        }
    }
    // SAFETY: the losses of `loss_blocks` blocks were written.
    unsafe { driver.launch(ADD_LOSSES, Launch::linear(1, 256), arguments![losses, total, loss_blocks]) }
}
