//! Linear layers and their gradients (`gemm.cu`): products of bf16 matrices with sums in f32.

use crate::{Driver, Kernel, Launch, View, arguments};

const FORWARD: Kernel = Kernel { unit: "gemm", name: "linear_forward" };
const FORWARD_F32: Kernel = Kernel { unit: "gemm", name: "linear_forward_f32" };
const FORWARD_RESIDUAL: Kernel = Kernel { unit: "gemm", name: "linear_forward_residual" };
const FORWARD_REGLU: Kernel = Kernel { unit: "gemm", name: "linear_forward_reglu" };
const BACKWARD_INPUT: Kernel = Kernel { unit: "gemm", name: "linear_backward_input" };
const BACKWARD_INPUT_REGLU: Kernel = Kernel { unit: "gemm", name: "linear_backward_input_reglu" };
const BACKWARD_WEIGHT: Kernel = Kernel { unit: "gemm", name: "linear_backward_weight" };
const BACKWARD_WEIGHT_PARTIAL: Kernel = Kernel { unit: "gemm", name: "linear_backward_weight_partial" };
const ADD_PARTIALS: Kernel = Kernel { unit: "gemm", name: "add_partials" };

/// Rows and columns of the result that a block computes, and the depth of its stages.
const TILE: usize = 128;
const TILE_DEPTH: usize = 32;
const THREADS: u32 = 128;
const SHARED_BYTES: u32 = 64 * 1024;
/// Blocks that a multiprocessor runs at once.
const BLOCKS_A_MULTIPROCESSOR: usize = 2;
/// A part of the tokens below this would spend more on its share of the workspace than on its products.
const SHORTEST_PART: usize = 512;

/// Sizes of a linear layer: `tokens` rows of `inputs` values to rows of `outputs` values, both multiples of 8.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LinearShape {
    /// Rows.
    pub tokens: usize,
    /// Values of a row of x.
    pub inputs: usize,
    /// Values of a row of y.
    pub outputs: usize,
}

impl LinearShape {
    fn x(&self) -> usize {
        self.tokens * self.inputs
    }

    fn y(&self) -> usize {
        self.tokens * self.outputs
    }

    fn w(&self) -> usize {
        self.inputs * self.outputs
    }

    fn is_empty(&self) -> bool {
        self.tokens == 0 || self.w() == 0
    }

    /// # Panics
    /// If copies of 16 bytes would not fit the rows.
    #[track_caller]
    fn check(&self) {
        let Self { inputs, outputs, .. } = *self;
        assert!(inputs.is_multiple_of(8) && outputs.is_multiple_of(8), "a layer of {inputs} to {outputs} values");
    }
}

fn tiles(rows: usize, columns: usize) -> usize {
    rows.div_ceil(TILE) * columns.div_ceil(TILE)
}

/// # Panics
/// If there are 2^31 blocks or more.
#[track_caller]
fn blocks(count: usize) -> Launch {
    assert!(count < 1 << 31, "{count} blocks");
    Launch::linear(count as u32, THREADS).with_shared(SHARED_BYTES)
}

/// `y = x W^T` in bf16.
pub fn linear_forward<D: Driver>(
    driver: &D,
    shape: LinearShape,
    x: View<D::Buffer>,
    w: View<D::Buffer>,
    y: View<D::Buffer>,
) -> Result<(), D::Error> {
    shape.check();
    if shape.is_empty() {
        return Ok(());
    }
    let (x, w) = (x.expect::<u16>("x", shape.x()), w.expect::<u16>("w", shape.w()));
    let y = y.expect::<u16>("y", shape.y());
    let launch = blocks(tiles(shape.tokens, shape.outputs));
    // SAFETY: the kernel reads x and w and writes y, of the sizes checked above.
    unsafe { driver.launch(FORWARD, launch, arguments![x, w, y, shape.tokens, shape.inputs, shape.outputs]) }
}

/// `y = x W^T` in f32.
pub fn linear_forward_f32<D: Driver>(
    driver: &D,
    shape: LinearShape,
    x: View<D::Buffer>,
    w: View<D::Buffer>,
    y: View<D::Buffer>,
) -> Result<(), D::Error> {
    shape.check();
    if shape.is_empty() {
        return Ok(());
    }
    let (x, w) = (x.expect::<u16>("x", shape.x()), w.expect::<u16>("w", shape.w()));
    let y = y.expect::<f32>("y", shape.y());
    let launch = blocks(tiles(shape.tokens, shape.outputs));
    // SAFETY: the kernel reads x and w and writes y, of the sizes checked above.
    unsafe { driver.launch(FORWARD_F32, launch, arguments![x, w, y, shape.tokens, shape.inputs, shape.outputs]) }
}

/// `y = residual + x W^T` with x and W in bf16, the others in f32; y may be the residual itself.
pub fn linear_forward_residual<D: Driver>(
    driver: &D,
    shape: LinearShape,
    x: View<D::Buffer>,
    w: View<D::Buffer>,
    residual: View<D::Buffer>,
    y: View<D::Buffer>,
) -> Result<(), D::Error> {
    shape.check();
    if shape.is_empty() {
        return Ok(());
    }
    let (x, w) = (x.expect::<u16>("x", shape.x()), w.expect::<u16>("w", shape.w()));
    let (residual, y) = (residual.expect::<f32>("residual", shape.y()), y.expect::<f32>("y", shape.y()));
    let launch = blocks(tiles(shape.tokens, shape.outputs));
    let arguments = arguments![x, w, residual, y, shape.tokens, shape.inputs, shape.outputs];
    // SAFETY: the kernel reads x, w and the residual and writes y, of the sizes checked above; one thread reads and writes a value.
    unsafe { driver.launch(FORWARD_RESIDUAL, launch, arguments) }
}

/// `[gate | linear] = x W^T` and `h = max(gate, 0) * linear` in bf16. W has `2 * shape.outputs` rows; rows of `[gate | linear]` are
/// written where `gate_linear` is given, for the backward pass.
pub fn linear_forward_reglu<D: Driver>(
    driver: &D,
    shape: LinearShape,
    x: View<D::Buffer>,
    w: View<D::Buffer>,
    gate_linear: Option<View<D::Buffer>>,
    h: View<D::Buffer>,
) -> Result<(), D::Error> {
    shape.check();
    if shape.is_empty() {
        return Ok(());
    }
    let (x, w) = (x.expect::<u16>("x", shape.x()), w.expect::<u16>("w", 2 * shape.w()));
    let gate_linear = gate_linear.map(|view| view.expect::<u16>("gate_linear", 2 * shape.y()));
    let h = h.expect::<u16>("h", shape.y());
    // Half of a tile's columns are gates, half linear factors.
    let launch = blocks(shape.tokens.div_ceil(TILE) * shape.outputs.div_ceil(TILE / 2));
    let arguments = arguments![x, w, gate_linear, h, shape.tokens, shape.inputs, shape.outputs];
    // SAFETY: the kernel reads x and w and writes h and, unless null, gate_linear, of the sizes checked above.
    unsafe { driver.launch(FORWARD_REGLU, launch, arguments) }
}

/// `dx = dy W` in bf16.
pub fn linear_backward_input<D: Driver>(
    driver: &D,
    shape: LinearShape,
    dy: View<D::Buffer>,
    w: View<D::Buffer>,
    dx: View<D::Buffer>,
) -> Result<(), D::Error> {
    shape.check();
    if shape.is_empty() {
        return Ok(());
    }
    let (dy, w) = (dy.expect::<u16>("dy", shape.y()), w.expect::<u16>("w", shape.w()));
    let dx = dx.expect::<u16>("dx", shape.x());
    let launch = blocks(tiles(shape.tokens, shape.inputs));
    // SAFETY: the kernel reads dy and w and writes dx, of the sizes checked above.
    unsafe { driver.launch(BACKWARD_INPUT, launch, arguments![dy, w, dx, shape.tokens, shape.inputs, shape.outputs]) }
}

/// The gradient of `[gate | linear]` where the layer's input is `h = max(gate, 0) * linear`, all in bf16: `dh = dy W` stays within
/// the kernel.
pub fn linear_backward_input_reglu<D: Driver>(
    driver: &D,
    shape: LinearShape,
    dy: View<D::Buffer>,
    w: View<D::Buffer>,
    gate_linear: View<D::Buffer>,
    dgate_linear: View<D::Buffer>,
) -> Result<(), D::Error> {
    shape.check();
    if shape.is_empty() {
        return Ok(());
    }
    let (dy, w) = (dy.expect::<u16>("dy", shape.y()), w.expect::<u16>("w", shape.w()));
    let gate_linear = gate_linear.expect::<u16>("gate_linear", 2 * shape.x());
    let dgate_linear = dgate_linear.expect::<u16>("dgate_linear", 2 * shape.x());
    let launch = blocks(tiles(shape.tokens, shape.inputs));
    let arguments = arguments![dy, w, gate_linear, dgate_linear, shape.tokens, shape.inputs, shape.outputs];
    // SAFETY: the kernel reads dy, w and gate_linear and writes dgate_linear, of the sizes checked above.
    unsafe { driver.launch(BACKWARD_INPUT_REGLU, launch, arguments) }
}

/// How a weight gradient's sum over the tokens is cut so that every multiprocessor has work. The cut decides the order of the sum, so
/// the same bits come back on devices of the same size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TokenParts {
    /// Parts, at least 1.
    pub count: usize,
    /// Tokens of each part but the last, which may have fewer: a multiple of 32.
    pub tokens: usize,
}

impl TokenParts {
    /// For a device with so many multiprocessors.
    pub fn new(shape: LinearShape, multiprocessors: usize) -> Self {
        let tiles = tiles(shape.outputs, shape.inputs).max(1);
        let wanted = (BLOCKS_A_MULTIPROCESSOR * multiprocessors / tiles).max(1);
        let count = wanted.min(shape.tokens / SHORTEST_PART).max(1);
        let tokens = shape.tokens.div_ceil(count).next_multiple_of(TILE_DEPTH).max(TILE_DEPTH);
        Self { count: shape.tokens.div_ceil(tokens).max(1), tokens }
    }

    /// f32 values of the workspace that [`linear_backward_weight`] needs.
    pub fn workspace(&self, shape: LinearShape) -> usize {
        if self.count == 1 { 0 } else { self.count * shape.w() }
    }
}

/// `dW += dy^T x` with dy and x in bf16, dW in f32. `workspace` holds [`TokenParts::workspace`] values.
#[allow(clippy::too_many_arguments)]
pub fn linear_backward_weight<D: Driver>(
    driver: &D,
    shape: LinearShape,
    parts: TokenParts,
    dy: View<D::Buffer>,
    x: View<D::Buffer>,
    workspace: Option<View<D::Buffer>>,
    dw: View<D::Buffer>,
) -> Result<(), D::Error> {
    shape.check();
    if shape.is_empty() {
        return Ok(());
    }
    let LinearShape { tokens, inputs, outputs } = shape;
    let (dy, x) = (dy.expect::<u16>("dy", shape.y()), x.expect::<u16>("x", shape.x()));
    let dw = dw.expect::<f32>("dw", shape.w());
    let tiles = tiles(outputs, inputs);
    let partials = match workspace {
        Some(workspace) if parts.count > 1 => workspace.expect::<f32>("workspace", parts.workspace(shape)),
        _ => {
            assert_eq!(parts.count, 1, "{parts:?} without a workspace");
            let arguments = arguments![dy, x, dw, tokens, inputs, outputs];
            // SAFETY: the kernel reads dy and x and adds to dw, of the sizes checked above.
            return unsafe { driver.launch(BACKWARD_WEIGHT, blocks(tiles), arguments) };
        }
    };
    let TokenParts { count, tokens: part_tokens } = parts;
    assert!(
        part_tokens.is_multiple_of(TILE_DEPTH) && (count - 1) * part_tokens < tokens && count * part_tokens >= tokens,
        "{parts:?} of {tokens} tokens"
    );
    let arguments = arguments![dy, x, partials, tokens, inputs, outputs, part_tokens];
    // SAFETY: the kernel reads dy and x and writes `count` matrices to the workspace, which holds as many.
    unsafe { driver.launch(BACKWARD_WEIGHT_PARTIAL, blocks(count * tiles), arguments)? };
    let adders = Launch::linear(shape.w().div_ceil(4 * 256) as u32, 256);
    // SAFETY: `count` matrices are read and added to dw.
    unsafe { driver.launch(ADD_PARTIALS, adders, arguments![partials, dw, shape.w() as u64, count]) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_cover_the_tokens_and_fill_the_device() {
        for tokens in [1, 31, 511, 512, 1023, 8192, 16384, 65_537] {
            for (inputs, outputs) in [(64, 192), (256, 768), (1024, 1024), (1024, 8192), (2048, 65_536)] {
                let shape = LinearShape { tokens, inputs, outputs };
                let parts = TokenParts::new(shape, 132);
                assert!(parts.tokens.is_multiple_of(TILE_DEPTH) && parts.count >= 1, "{shape:?} {parts:?}");
                assert!(parts.count * parts.tokens >= tokens, "{shape:?} {parts:?}");
                assert!((parts.count - 1) * parts.tokens < tokens, "{shape:?} {parts:?}");
                let blocks = parts.count * tiles(outputs, inputs);
                assert!(blocks <= BLOCKS_A_MULTIPROCESSOR * 132 || parts.count == 1, "{shape:?} {parts:?}");
            }
        }
        let shape = LinearShape { tokens: 16384, inputs: 1024, outputs: 1024 };
        assert_eq!(TokenParts::new(shape, 132).count, 4);
    }
}
