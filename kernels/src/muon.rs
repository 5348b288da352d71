//! `muon.cu`: Muon's update of a matrix, together with the products of [`gemm`].

use half::bf16;

use crate::gemm::{self, LinearShape};
use crate::optimizer::{self, Parameters, partials};
use crate::{Driver, Kernel, Launch, View, arguments};

const fn kernel(name: &'static str) -> Kernel {
    Kernel { unit: "muon", name }
}

const MOMENTUM: Kernel = kernel("muon_momentum");
const NORMALIZE: Kernel = kernel("muon_normalize");
const COMBINE: Kernel = kernel("muon_combine");
const APPLY: Kernel = kernel("muon_apply");

const THREADS: usize = 256;

/// Passes of Newton and Schulz's iteration.
pub const PASSES: usize = 5;
/// Its coefficients: `X <- a X + (b X X^T + c (X X^T)^2) X`, which take singular values above 0.01 to between 0.7 and 1.2
/// in five passes (Jordan et al. 2024).
pub const COEFFICIENTS: [f32; 3] = [3.4445, -4.775, 2.0315];

/// One Muon update: a matrix moves along the nearest matrix with orthonormal rows or columns to its Nesterov momentum
/// (Jordan et al. 2024), times [`Muon::scale`].
#[derive(Clone, Copy, Debug)]
pub struct Muon {
    /// Outputs.
    pub rows: usize,
    /// Inputs.
    pub columns: usize,
    /// Learning rate of this step.
    pub learning_rate: f32,
    /// Weight of the past in the momentum.
    pub momentum: f32,
    /// Decoupled weight decay, times the learning rate.
    pub weight_decay: f32,
}

impl Muon {
    /// Values in the matrix.
    pub fn length(&self) -> usize {
        self.rows * self.columns
    }

    /// Its shorter side and its longer one.
    pub fn sides(&self) -> [usize; 2] {
        [self.rows.min(self.columns), self.rows.max(self.columns)]
    }

    /// What makes the root mean square of an orthonormal matrix 0.2, about that of AdamW's updates, so that both go by one
    /// learning rate (Liu et al. 2025).
    pub fn scale(&self) -> f32 {
        0.2 * (self.sides()[1] as f32).sqrt()
    }

    /// The size of the workspace in bytes.
    pub fn workspace_bytes(&self) -> usize {
        self.places()[5]
    }

    /// Where its parts lie, in bytes: the sums of squares (f64), the direction (f32), two matrices, two squares (bf16);
    /// then its end.
    fn places(&self) -> [usize; 6] {
        let [side, _] = self.sides();
        let (matrix, square) = (self.length() * size_of::<bf16>(), side * side * size_of::<bf16>());
        let mut end = 0;
        let parts = [(partials(self.length()) + 1) * size_of::<f64>(), 2 * matrix, matrix, matrix, 2 * square];
        let mut places = [0; 6];
        for (place, part) in places[1..].iter_mut().zip(parts) {
            end += part.next_multiple_of(256);
            *place = end;
        }
        places
    }
}

/// Updates a matrix, both of whose sides are multiples of 8, and its `momentum` (f32). `workspace` holds
/// [`Muon::workspace_bytes`] bytes of scratch space.
pub fn muon<D: Driver>(
    driver: &D,
    update: Muon,
    tensor: Parameters<D::Buffer>,
    momentum: View<D::Buffer>,
    workspace: View<D::Buffer>,
) -> Result<(), D::Error> {
    let Muon { rows, columns, learning_rate, momentum: past, weight_decay } = update;
    assert!(rows.is_multiple_of(8) && columns.is_multiple_of(8), "Muon over {rows} x {columns}");
    let length = update.length();
    if length == 0 {
        return Ok(());
    }
    let [side, long] = update.sides();
    let gradients = tensor.gradients.expect::<f32>("gradients", length);
    let parameters = tensor.parameters.expect::<f32>("parameters", length);
    let product = tensor.product.expect::<bf16>("product", length);
    let factor = tensor.norm_and_factor.expect::<f32>("norm_and_factor", 2);
    let momentum = momentum.expect::<f32>("momentum", length);
    let workspace = workspace.expect::<u8>("workspace", update.workspace_bytes());
    let [sums, direction, mut x, mut next, square, _] = update.places().map(|place| workspace.skip::<u8>(place));
    let polynomial = square.skip::<bf16>(side * side);
    let count = partials(length);
    let total = sums.skip::<f64>(count);
    let blocks = |values: usize| Launch::linear(values.div_ceil(THREADS) as u32, THREADS as u32);
    let combine = |x: View<D::Buffer>, y: View<D::Buffer>, length: usize, [a, b]: [f32; 2]| {
        // SAFETY: the kernel touches `length` values of each, which are parts of the workspace.
        unsafe { driver.launch(COMBINE, blocks(length), arguments![x, y, length as u64, a, b]) }
    };
    // SAFETY: the kernel touches `length` values of each, whose sizes were checked.
    unsafe {
        let arguments = arguments![gradients, momentum, direction, factor, rows, columns, past];
        driver.launch(MOMENTUM, blocks(length), arguments)?;
    }
    optimizer::sum_of_squares(driver, length, direction, sums)?;
    optimizer::add_squares(driver, count, sums, total)?;
    // SAFETY: the kernel touches `length` values of both, which are parts of the workspace, and one sum.
    unsafe { driver.launch(NORMALIZE, blocks(length), arguments![direction, total, x, length as u64])? };
    let [a, b, c] = COEFFICIENTS;
    let gram = LinearShape { tokens: side, inputs: long, outputs: side };
    let squared = LinearShape { tokens: side, inputs: side, outputs: side };
    for _ in 0..PASSES {
        gemm::linear_forward(driver, gram, x, x, square)?;
        // Symmetric, so its own transpose.
        gemm::linear_forward(driver, squared, square, square, polynomial)?;
        combine(square, polynomial, side * side, [b, c])?;
        gemm::linear_backward_input(driver, gram, polynomial, x, next)?;
        combine(x, next, length, [a, 1.0])?;
        std::mem::swap(&mut x, &mut next);
    }
    let (keep, rate) = (1.0 - learning_rate * weight_decay, learning_rate * update.scale());
    // SAFETY: the kernel touches `length` values of each, whose sizes were checked.
    unsafe { driver.launch(APPLY, blocks(length), arguments![x, parameters, product, rows, columns, keep, rate]) }
}
