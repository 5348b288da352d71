//! `optimizer.cu`: gradient norm and clipping, AdamW, Adafactor.

use half::bf16;

use crate::{Driver, Kernel, Launch, View, arguments};

const fn kernel(name: &'static str) -> Kernel {
    Kernel { unit: "optimizer", name }
}

const SUM_OF_SQUARES: Kernel = kernel("sum_of_squares");
const ADD_SQUARES: Kernel = kernel("add_squares");
const CLIP_FACTOR: Kernel = kernel("clip_factor");
const ADAMW: Kernel = kernel("adamw");
const ROWS: Kernel = kernel("adafactor_rows");
const ROW_MEAN: Kernel = kernel("adafactor_row_mean");
const COLUMNS: Kernel = kernel("adafactor_columns");
const COLUMN_MOMENTS: Kernel = kernel("adafactor_column_moments");
const SIZES: Kernel = kernel("adafactor_sizes");
const MOMENTS: Kernel = kernel("adafactor_moments");
const SCALE: Kernel = kernel("adafactor_scale");
const APPLY: Kernel = kernel("adafactor_apply");

const THREADS: u32 = 256;
const PIECE: usize = 4096;
const MOST_BLOCKS: usize = 1024;
const VALUES_A_BLOCK: usize = 1024;
const ROWS_A_SUM: usize = 64;

/// The number of f64 sums of squares that [`sum_of_squares`] writes to `partials` for `length` values.
pub fn partials(length: usize) -> usize {
    length.div_ceil(PIECE).min(MOST_BLOCKS)
}

/// The first pass of the gradient norm.
pub fn sum_of_squares<D: Driver>(
    driver: &D,
    length: usize,
    values: View<D::Buffer>,
    to: View<D::Buffer>,
) -> Result<(), D::Error> {
    let blocks = partials(length);
    if length == 0 {
        return Ok(());
    }
    let (values, to) = (values.expect::<f32>("values", length), to.expect::<f64>("partials", blocks));
    // SAFETY: the kernel reads `length` values and writes one per block.
    unsafe {
        driver.launch(SUM_OF_SQUARES, Launch::linear(blocks as u32, THREADS), arguments![values, to, length as u64])
    }
}

/// Adds `count` f64 into one: what the ranks of a sharded run exchange.
pub fn add_squares<D: Driver>(
    driver: &D,
    count: usize,
    partials: View<D::Buffer>,
    total: View<D::Buffer>,
) -> Result<(), D::Error> {
    let (partials, total) = (partials.expect::<f64>("partials", count), total.expect::<f64>("total", 1));
    // SAFETY: the kernel reads `count` values and writes one.
    unsafe { driver.launch(ADD_SQUARES, Launch::linear(1, THREADS), arguments![partials, total, count]) }
}

/// The second pass: `norm_and_factor` (2 f32) receives the norm and the factor that clips it to `clip`.
pub fn clip_factor<D: Driver>(
    driver: &D,
    count: usize,
    clip: f32,
    partials: View<D::Buffer>,
    norm_and_factor: View<D::Buffer>,
) -> Result<(), D::Error> {
    let partials = partials.expect::<f64>("partials", count);
    let norm_and_factor = norm_and_factor.expect::<f32>("norm_and_factor", 2);
    // SAFETY: the kernel reads `count` values and writes two.
    unsafe {
        driver.launch(CLIP_FACTOR, Launch::linear(1, THREADS), arguments![partials, norm_and_factor, count, clip])
    }
}

/// One AdamW update; `step` counts from 1.
#[derive(Clone, Copy, Debug)]
pub struct AdamW {
    /// Learning rate of this step.
    pub learning_rate: f32,
    /// Weight of the past in the first moment.
    pub beta1: f32,
    /// Weight of the past in the second moment.
    pub beta2: f32,
    /// Added to the root of the second moment.
    pub epsilon: f32,
    /// Decoupled weight decay, times the learning rate.
    pub weight_decay: f32,
    /// Steps taken, including this one.
    pub step: u64,
}

/// The data of an update; all views start at the tensor's first value.
#[derive(Debug)]
pub struct Parameters<'a, B> {
    /// Gradients, f32.
    pub gradients: View<'a, B>,
    /// Master weights, f32.
    pub parameters: View<'a, B>,
    /// Their bf16 copy for products.
    pub product: View<'a, B>,
    /// The result of [`clip_factor`].
    pub norm_and_factor: View<'a, B>,
}

impl<B> Clone for Parameters<'_, B> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<B> Copy for Parameters<'_, B> {}

/// Updates `length` parameters (a multiple of 4) and their `moments`.
pub fn adamw<D: Driver>(
    driver: &D,
    length: usize,
    update: AdamW,
    tensor: Parameters<D::Buffer>,
    moments: [View<D::Buffer>; 2],
) -> Result<(), D::Error> {
    assert!(length.is_multiple_of(4), "AdamW over {length} values");
    if length == 0 {
        return Ok(());
    }
    let AdamW { learning_rate, beta1, beta2, epsilon, weight_decay, step } = update;
    let correct = |beta: f32| (1.0 - f64::from(beta).powi(step.min(1 << 30) as i32)) as f32;
    let (rate, inverse_second) = (learning_rate / correct(beta1), 1.0 / correct(beta2));
    let keep = 1.0 - learning_rate * weight_decay;
    let gradients = tensor.gradients.expect::<f32>("gradients", length);
    let parameters = tensor.parameters.expect::<f32>("parameters", length);
    let product = tensor.product.expect::<bf16>("product", length);
    let [first, second] = moments.map(|moments| moments.expect::<f32>("moments", length));
    let factor = tensor.norm_and_factor.expect::<f32>("norm_and_factor", 2);
    let launch = Launch::linear(length.div_ceil(VALUES_A_BLOCK) as u32, THREADS);
    let arguments = arguments![
        gradients,
        parameters,
        first,
        second,
        product,
        factor,
        length as u64,
        rate,
        beta1,
        beta2,
        epsilon,
        keep,
        inverse_second
    ];
    // SAFETY: the kernel touches `length` values of each.
    unsafe { driver.launch(ADAMW, launch, arguments) }
}

/// One Adafactor update of a tensor.
#[derive(Clone, Copy, Debug)]
pub struct Adafactor {
    /// Rows of the tensor.
    pub rows: usize,
    /// Columns of the tensor.
    pub columns: usize,
    /// Whether second moments are kept as one value per row and one per column, or else one per parameter.
    pub factored: bool,
    /// Learning rate of this step, relative to the parameters' size.
    pub learning_rate: f32,
    /// Weight of the past in the second moments.
    pub decay: f32,
}

impl Adafactor {
    fn length(&self) -> usize {
        self.rows * self.columns
    }

    /// The number of f32 values of state.
    pub fn state(&self) -> usize {
        if self.factored { self.rows + self.columns } else { self.length() }
    }

    /// The size of the workspace in bytes.
    pub fn workspace_bytes(&self) -> usize {
        self.column_sums() + self.rows.div_ceil(ROWS_A_SUM) * self.columns * size_of::<f32>()
    }

    /// The offset of the column sums in the workspace: after sizes (f64 pairs), the row mean and the scale, which are
    /// f32.
    fn column_sums(&self) -> usize {
        2 * partials(self.length()) * size_of::<f64>() + 16
    }
}

/// Updates a tensor and its `state`. `workspace` holds [`Adafactor::workspace_bytes`] bytes of scratch space.
pub fn adafactor<D: Driver>(
    driver: &D,
    update: Adafactor,
    tensor: Parameters<D::Buffer>,
    state: View<D::Buffer>,
    workspace: View<D::Buffer>,
) -> Result<(), D::Error> {
    let Adafactor { rows, columns, factored, learning_rate, decay } = update;
    let length = update.length();
    if length == 0 {
        return Ok(());
    }
    let gradients = tensor.gradients.expect::<f32>("gradients", length);
    let parameters = tensor.parameters.expect::<f32>("parameters", length);
    let product = tensor.product.expect::<bf16>("product", length);
    let factor = tensor.norm_and_factor.expect::<f32>("norm_and_factor", 2);
    let state = state.expect::<f32>("state", update.state());
    let sizes = workspace.expect::<u8>("workspace", update.workspace_bytes());
    let size_blocks = partials(length);
    let row_mean = sizes.skip::<f64>(2 * size_blocks);
    let scale = row_mean.skip::<f32>(1);
    let sums = sizes.skip::<u8>(update.column_sums());
    let blocks = |count: usize| Launch::linear(count as u32, THREADS);
    let column_blocks = columns.div_ceil(THREADS as usize);
    // SAFETY: each kernel touches the tensor, its state and its part of the workspace, whose sizes were checked.
    unsafe {
        if factored {
            let column_moments = state.skip::<f32>(rows);
            driver.launch(ROWS, blocks(rows), arguments![gradients, state, factor, columns, decay])?;
            driver.launch(ROW_MEAN, blocks(1), arguments![state, row_mean, rows])?;
            let grid = [column_blocks as u32, rows.div_ceil(ROWS_A_SUM) as u32, 1];
            let launch = Launch { grid, ..blocks(1) };
            driver.launch(COLUMNS, launch, arguments![gradients, sums, factor, rows, columns])?;
            let arguments = arguments![sums, column_moments, rows, columns, decay];
            driver.launch(COLUMN_MOMENTS, blocks(column_blocks), arguments)?;
            let arguments = arguments![gradients, parameters, state, row_mean, sizes, factor, rows, columns];
            driver.launch(SIZES, blocks(size_blocks), arguments)?;
        } else {
            let arguments = arguments![gradients, parameters, state, sizes, factor, length as u64, decay];
            driver.launch(MOMENTS, blocks(size_blocks), arguments)?;
        }
        driver.launch(SCALE, blocks(1), arguments![sizes, scale, size_blocks, length as u64, learning_rate])?;
        let row_mean = factored.then_some(row_mean);
        let launch = blocks(length.div_ceil(VALUES_A_BLOCK));
        driver.launch(
            APPLY,
            launch,
            arguments![gradients, parameters, state, row_mean, scale, product, factor, rows, columns],
        )
    }
}
