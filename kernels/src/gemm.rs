//! Linear layers and their gradients: products of bf16 matrices with f32 sums, on wgmma if the device has it
//! (`gemm_hopper.cu`), otherwise on mma.sync (`gemm.cu`). Both paths share their epilogues; they sum in different
//! orders.

use half::bf16;

use crate::{Argument, Boxes, Driver, Kernel, Launch, Memory, View, arguments};

const FORWARD: Names = gemm("linear_forward", "linear_forward_hopper");
const FORWARD_F32: Names = gemm("linear_forward_f32", "linear_forward_f32_hopper");
const FORWARD_RESIDUAL: Names = gemm("linear_forward_residual", "linear_forward_residual_hopper");
const FORWARD_REGLU: Names = gemm("linear_forward_reglu", "linear_forward_reglu_hopper");
const BACKWARD_INPUT: Names = gemm("linear_backward_input", "linear_backward_input_hopper");
const BACKWARD_INPUT_REGLU: Names = gemm("linear_backward_input_reglu", "linear_backward_input_reglu_hopper");
const BACKWARD_WEIGHT: Names = gemm("linear_backward_weight", "linear_backward_weight_hopper");
const BACKWARD_WEIGHT_PARTIAL: Names = gemm("linear_backward_weight_partial", "linear_backward_weight_partial_hopper");
const ADD_PARTIALS: Kernel = Kernel { unit: "gemm", name: "add_partials" };

/// The same product on mma.sync and on wgmma.
#[derive(Clone, Copy)]
pub(crate) struct Names(pub(crate) Kernel, pub(crate) Kernel);

const fn gemm(portable: &'static str, warpgroup: &'static str) -> Names {
    Names(Kernel { unit: "gemm", name: portable }, Kernel { unit: "gemm_hopper", name: warpgroup })
}

/// How a kernel cuts its result into tiles.
struct Tiling {
    rows: usize,
    columns: usize,
    threads: u32,
    shared_bytes: u32,
}

const PORTABLE: Tiling = Tiling { rows: 128, columns: 128, threads: 128, shared_bytes: 64 * 1024 };
/// Four stages of 48 KiB, and their barriers.
const WARPGROUP: Tiling = Tiling { rows: 128, columns: 256, threads: 384, shared_bytes: 4 * 48 * 1024 + 64 };
/// Parts of a depth start at multiples of the deeper of both paths' stages.
const STAGE_DEPTH: usize = 64;
/// The blocks of the portable tiling that a multiprocessor runs at once; of the other, whose tiles are twice as wide,
/// it runs one.
const BLOCKS_PER_MULTIPROCESSOR: usize = 2;
/// With fewer tokens, a part would spend more on its share of the workspace than on its products.
const SHORTEST_PART: usize = 512;

impl Tiling {
    fn tiles(&self, rows: usize, columns: usize) -> usize {
        rows.div_ceil(self.rows) * columns.div_ceil(self.columns)
    }
}

/// An operand's layout in memory.
pub(crate) struct Operand<'a, B> {
    matrix: View<'a, B>,
    rows: usize,
    columns: usize,
    /// Rows of a box: 128 if rows of the matrix are rows or columns of the result, 64 if they are depth.
    box_rows: usize,
}

impl<'a, B: Memory> Operand<'a, B> {
    /// Depth runs fastest.
    #[track_caller]
    pub(crate) fn by_depth(what: &str, matrix: View<'a, B>, rows: usize, columns: usize) -> Self {
        Self { matrix: matrix.expect::<bf16>(what, rows * columns), rows, columns, box_rows: 128 }
    }

    /// Rows or columns of the result run fastest.
    #[track_caller]
    fn by_outer(what: &str, matrix: View<'a, B>, rows: usize, columns: usize) -> Self {
        Self { box_rows: 64, ..Self::by_depth(what, matrix, rows, columns) }
    }

    fn boxes(&self) -> Boxes<'a, B> {
        Boxes { matrix: self.matrix, rows: self.rows, columns: self.columns, box_rows: self.box_rows }
    }
}

/// A product, in the form that both paths launch.
pub(crate) struct Product<'a, B> {
    pub(crate) names: Names,
    pub(crate) operands: [Operand<'a, B>; 2],
    /// Rows of the result, as counted by the epilogue.
    pub(crate) rows: usize,
    pub(crate) columns: usize,
    /// Whether a tile holds two factors of each of its columns.
    pub(crate) gated: bool,
    /// The number of parts of the depth.
    pub(crate) parts: usize,
}

impl<'a, B: Memory> Product<'a, B> {
    /// `rest` are the kernel's arguments after its operands.
    ///
    /// # Safety
    /// As for [`Driver::launch`].
    pub(crate) unsafe fn launch<D: Driver<Buffer = B>>(
        &self,
        driver: &D,
        rest: &[Argument<'a, B>],
    ) -> Result<(), D::Error> {
        let columns = if self.gated { 2 * self.columns } else { self.columns };
        // Leaves tiles that would be less than half full to the smaller tiling.
        let multiprocessors = driver.warpgroup_multiprocessors().filter(|_| 2 * columns >= WARPGROUP.columns);
        let [a, b] = &self.operands;
        let (kernel, tiling, operands): (_, _, [Argument<B>; 2]) = match multiprocessors {
            Some(_) => (self.names.1, WARPGROUP, [a.boxes().into(), b.boxes().into()]),
            None => (self.names.0, PORTABLE, [a.matrix.into(), b.matrix.into()]),
        };
        let tiles = tiling.tiles(self.rows, columns) * self.parts;
        assert!(tiles < 1 << 31, "{}: {tiles} tiles", kernel.name);
        let blocks = multiprocessors.map_or(tiles as u32, |count| count.min(tiles as u32));
        let launch = Launch::linear(blocks, tiling.threads).with_shared(tiling.shared_bytes);
        let arguments: Vec<Argument<B>> = operands.into_iter().chain(rest.iter().copied()).collect();
        // SAFETY: the caller's promise; both kernels take the same arguments and cover the result with their tiles.
        unsafe { driver.launch(kernel, launch, &arguments) }
    }
}

/// The sizes of a linear layer: `tokens` rows of `inputs` values become rows of `outputs` values; both widths are
/// multiples of 8.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LinearShape {
    /// Rows.
    pub tokens: usize,
    /// Values per row of x.
    pub inputs: usize,
    /// Values per row of y.
    pub outputs: usize,
}

impl LinearShape {
    /// # Panics
    /// If the rows don't suit 16-byte copies.
    #[track_caller]
    fn check(&self) {
        let Self { inputs, outputs, .. } = *self;
        assert!(inputs.is_multiple_of(8) && outputs.is_multiple_of(8), "a layer of {inputs} to {outputs} values");
    }

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
    let LinearShape { tokens, inputs, outputs } = shape;
    let operands = [Operand::by_depth("x", x, tokens, inputs), Operand::by_depth("w", w, outputs, inputs)];
    let y = y.expect::<bf16>("y", shape.y());
    let product = Product { names: FORWARD, operands, rows: tokens, columns: outputs, gated: false, parts: 1 };
    // SAFETY: the kernel reads x and w and writes y, of the sizes checked above.
    unsafe { product.launch(driver, arguments![y, tokens, inputs, outputs]) }
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
    let LinearShape { tokens, inputs, outputs } = shape;
    let operands = [Operand::by_depth("x", x, tokens, inputs), Operand::by_depth("w", w, outputs, inputs)];
    let y = y.expect::<f32>("y", shape.y());
    let product = Product { names: FORWARD_F32, operands, rows: tokens, columns: outputs, gated: false, parts: 1 };
    // SAFETY: the kernel reads x and w and writes y, of the sizes checked above.
    unsafe { product.launch(driver, arguments![y, tokens, inputs, outputs]) }
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
    let LinearShape { tokens, inputs, outputs } = shape;
    let operands = [Operand::by_depth("x", x, tokens, inputs), Operand::by_depth("w", w, outputs, inputs)];
    let (residual, y) = (residual.expect::<f32>("residual", shape.y()), y.expect::<f32>("y", shape.y()));
    let product = Product { names: FORWARD_RESIDUAL, operands, rows: tokens, columns: outputs, gated: false, parts: 1 };
    // SAFETY: the kernel reads x, w and the residual and writes y, of the sizes checked above; one thread reads and
    // writes each value.
    unsafe { product.launch(driver, arguments![residual, y, tokens, inputs, outputs]) }
}

/// `[gate | linear] = x W^T` and `h = max(gate, 0) * linear` in bf16. W has `2 * shape.outputs` rows; rows of `[gate |
/// linear]` are written to `gate_linear` if given, for the backward pass.
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
    let LinearShape { tokens, inputs, outputs } = shape;
    let operands = [Operand::by_depth("x", x, tokens, inputs), Operand::by_depth("w", w, 2 * outputs, inputs)];
    let gate_linear = gate_linear.map(|view| view.expect::<bf16>("gate_linear", 2 * shape.y()));
    let h = h.expect::<bf16>("h", shape.y());
    let product = Product { names: FORWARD_REGLU, operands, rows: tokens, columns: outputs, gated: true, parts: 1 };
    // SAFETY: the kernel reads x and w and writes h and, unless null, gate_linear, of the sizes checked above.
    unsafe { product.launch(driver, arguments![gate_linear, h, tokens, inputs, outputs]) }
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
    let LinearShape { tokens, inputs, outputs } = shape;
    let operands = [Operand::by_depth("dy", dy, tokens, outputs), Operand::by_outer("w", w, outputs, inputs)];
    let dx = dx.expect::<bf16>("dx", shape.x());
    let product = Product { names: BACKWARD_INPUT, operands, rows: tokens, columns: inputs, gated: false, parts: 1 };
    // SAFETY: the kernel reads dy and w and writes dx, of the sizes checked above.
    unsafe { product.launch(driver, arguments![dx, tokens, inputs, outputs]) }
}

/// The gradient of `[gate | linear]` where the layer's input is `h = max(gate, 0) * linear`, all in bf16; `dh = dy W`
/// stays inside the kernel.
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
    let LinearShape { tokens, inputs, outputs } = shape;
    let operands = [Operand::by_depth("dy", dy, tokens, outputs), Operand::by_outer("w", w, outputs, inputs)];
    let gate_linear = gate_linear.expect::<bf16>("gate_linear", 2 * shape.x());
    let dgate_linear = dgate_linear.expect::<bf16>("dgate_linear", 2 * shape.x());
    let product =
        Product { names: BACKWARD_INPUT_REGLU, operands, rows: tokens, columns: inputs, gated: false, parts: 1 };
    // SAFETY: the kernel reads dy, w and gate_linear and writes dgate_linear, of the sizes checked above.
    unsafe { product.launch(driver, arguments![gate_linear, dgate_linear, tokens, inputs, outputs]) }
}

/// How a weight gradient's sum over the tokens is cut so that every multiprocessor has work. The cut determines the
/// order of the sum, so devices of the same size give the same bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TokenParts {
    /// The number of parts, at least 1.
    pub count: usize,
    /// Tokens per part, a multiple of 64; the last part may have fewer.
    pub tokens: usize,
}

impl TokenParts {
    /// The cut for a device with this number of multiprocessors.
    pub fn new(shape: LinearShape, multiprocessors: usize) -> Self {
        let tiles = PORTABLE.tiles(shape.outputs, shape.inputs).max(1);
        let wanted = (BLOCKS_PER_MULTIPROCESSOR * multiprocessors / tiles).max(1);
        let count = wanted.min(shape.tokens / SHORTEST_PART).max(1);
        let tokens = shape.tokens.div_ceil(count).next_multiple_of(STAGE_DEPTH).max(STAGE_DEPTH);
        Self { count: shape.tokens.div_ceil(tokens).max(1), tokens }
    }

    /// The size in f32 values of the workspace that [`linear_backward_weight`] needs.
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
    let TokenParts { count, tokens: part_tokens } = parts;
    let operands = [Operand::by_outer("dy", dy, tokens, outputs), Operand::by_outer("x", x, tokens, inputs)];
    let dw = dw.expect::<f32>("dw", shape.w());
    let product = |names| Product { names, operands, rows: outputs, columns: inputs, gated: false, parts: count };
    let Some(partials) = workspace.filter(|_| count > 1) else {
        assert_eq!(count, 1, "{parts:?} without a workspace");
        // SAFETY: the kernel reads dy and x and adds to dw, of the sizes checked above.
        return unsafe { product(BACKWARD_WEIGHT).launch(driver, arguments![dw, tokens, inputs, outputs]) };
    };
    let partials = partials.expect::<f32>("workspace", parts.workspace(shape));
    assert!(
        part_tokens.is_multiple_of(STAGE_DEPTH) && (count - 1) * part_tokens < tokens && count * part_tokens >= tokens,
        "{parts:?} of {tokens} tokens"
    );
    // SAFETY: the kernel reads dy and x and writes `count` matrices to the workspace, which holds that many.
    unsafe {
        product(BACKWARD_WEIGHT_PARTIAL).launch(driver, arguments![partials, tokens, inputs, outputs, part_tokens])?;
    }
    let adders = Launch::linear(shape.w().div_ceil(4 * 256) as u32, 256);
    // SAFETY: the kernel reads `count` matrices and adds them to dw.
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
                assert!(parts.tokens.is_multiple_of(STAGE_DEPTH) && parts.count >= 1, "{shape:?} {parts:?}");
                assert!(parts.count * parts.tokens >= tokens, "{shape:?} {parts:?}");
                assert!((parts.count - 1) * parts.tokens < tokens, "{shape:?} {parts:?}");
                let blocks = parts.count * PORTABLE.tiles(outputs, inputs);
                assert!(blocks <= BLOCKS_PER_MULTIPROCESSOR * 132 || parts.count == 1, "{shape:?} {parts:?}");
            }
        }
        let shape = LinearShape { tokens: 16384, inputs: 1024, outputs: 1024 };
        assert_eq!(TokenParts::new(shape, 132).count, 4);
    }
}
