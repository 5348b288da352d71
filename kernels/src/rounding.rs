//! `rounding.cu`: rounds activations and weights to the values that the integer model will hold.

use std::ops::Range;

use half::bf16;

use crate::{Driver, Kernel, Launch, View, arguments};

const FORWARD: Kernel = Kernel { unit: "rounding", name: "fake_quantize" };
const BACKWARD: Kernel = Kernel { unit: "rounding", name: "fake_quantize_backward" };
const WEIGHTS: Kernel = Kernel { unit: "rounding", name: "round_weights" };
const VALUES_A_BLOCK: usize = 512;

/// Checks a part of a matrix and returns the launch that covers it.
fn shape(rows: usize, stride: usize, columns: &Range<usize>) -> Launch {
    assert!(columns.start < columns.end && columns.end <= stride, "columns {columns:?} of {stride}");
    assert!(
        [stride, columns.start, columns.end].iter().all(|n| n.is_multiple_of(2)),
        "columns {columns:?} of {stride}"
    );
    Launch::linear((rows * columns.len()).div_ceil(VALUES_A_BLOCK) as u32, 256)
}

/// Rounds `columns` of rows of `stride` bf16 values to multiples of `step`, clamped to 127 steps.
pub fn fake_quantize<D: Driver>(
    driver: &D,
    rows: usize,
    stride: usize,
    columns: Range<usize>,
    step: f32,
    x: View<D::Buffer>,
) -> Result<(), D::Error> {
    let shape = shape(rows, stride, &columns);
    if rows == 0 {
        return Ok(());
    }
    let x = x.expect::<bf16>("x", rows * stride);
    // SAFETY: the kernel touches columns within `rows` rows.
    unsafe { driver.launch(FORWARD, shape, arguments![x, rows, stride, columns.start, columns.end, step]) }
}

/// The straight-through gradient of [`fake_quantize`]: `dx = 0` where the rounded `x` was clamped.
pub fn fake_quantize_backward<D: Driver>(
    driver: &D,
    rows: usize,
    stride: usize,
    columns: Range<usize>,
    step: f32,
    x: View<D::Buffer>,
    dx: View<D::Buffer>,
) -> Result<(), D::Error> {
    let shape = shape(rows, stride, &columns);
    if rows == 0 {
        return Ok(());
    }
    let (x, dx) = (x.expect::<bf16>("x", rows * stride), dx.expect::<bf16>("dx", rows * stride));
    // SAFETY: the kernel touches columns within `rows` rows.
    unsafe { driver.launch(BACKWARD, shape, arguments![x, dx, rows, stride, columns.start, columns.end, step]) }
}

/// Rounds weights to `-most..=most` steps per row: to bf16 for products, and to f32 if a buffer is given.
#[allow(clippy::too_many_arguments)]
pub fn round_weights<D: Driver>(
    driver: &D,
    rows: usize,
    columns: usize,
    most: f32,
    weights: View<D::Buffer>,
    rounded: Option<View<D::Buffer>>,
    product: View<D::Buffer>,
) -> Result<(), D::Error> {
    if rows == 0 {
        return Ok(());
    }
    let weights = weights.expect::<f32>("weights", rows * columns);
    let rounded = rounded.map(|view| view.expect::<f32>("rounded", rows * columns));
    let product = product.expect::<bf16>("product", rows * columns);
    let launch = Launch::linear(rows as u32, 256);
    // SAFETY: the kernel touches `rows` rows of each, one per block.
    unsafe { driver.launch(WEIGHTS, launch, arguments![weights, rounded, product, columns, most]) }
}
