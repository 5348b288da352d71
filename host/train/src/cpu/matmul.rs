//! Matrix products of the CPU backend: in bf16 where the processor is faster at it, by the `gemm-f32` crate in f32 elsewhere or on request.

#[cfg(target_arch = "x86_64")]
use super::bf16;

/// A matrix inside a slice: value (row, column) at `data[row * row_stride + column * column_stride]`. One stride is 1.
#[derive(Clone, Copy)]
pub struct Operand<'a> {
    /// All values of the slice.
    pub data: &'a [f32],
    /// Values from one row to the next.
    pub row_stride: usize,
    /// Values from one column to the next.
    pub column_stride: usize,
}

impl<'a> Operand<'a> {
    /// Rows of contiguous values, `stride` values apart.
    pub fn rows(data: &'a [f32], stride: usize) -> Self {
        Self { data, row_stride: stride, column_stride: 1 }
    }

    /// The same memory read as the transposed matrix.
    pub fn transposed(self) -> Self {
        Self { data: self.data, row_stride: self.column_stride, column_stride: self.row_stride }
    }

    /// The part from a row and a column on.
    pub fn from(self, row: usize, column: usize) -> Self {
        Self { data: &self.data[row * self.row_stride + column * self.column_stride..], ..self }
    }

    /// Panics unless a `rows x columns` matrix lies inside the data and one of its strides is 1.
    pub fn check(&self, rows: usize, columns: usize) {
        assert!(self.row_stride == 1 || self.column_stride == 1);
        assert!(
            rows == 0
                || columns == 0
                || self.data.len() > (rows - 1) * self.row_stride + (columns - 1) * self.column_stride
        );
    }
}

/// The arithmetic of matrix products.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// bf16 operands, f32 accumulation, on the tile unit or on vectors of bf16.
    Bf16,
    /// f32 throughout.
    F32,
}

impl Precision {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Bf16 => "bf16",
            Self::F32 => "f32",
        }
    }

    /// bf16 where the processor has a unit for it that is faster than its f32 (AMX, or AVX-512 BF16 of AMD), else f32.
    pub fn detect() -> Self {
        #[cfg(target_arch = "x86_64")]
        if bf16::Unit::is_fast() {
            return Self::Bf16;
        }
        Self::F32
    }
}

/// One thread's way of multiplying matrices.
pub struct Multiplier {
    #[cfg(target_arch = "x86_64")]
    bf16: Option<(bf16::Unit, bf16::Workspace)>,
}

impl Multiplier {
    /// To be made on the thread that uses it: the tile configuration belongs to the thread. Without a unit for it, [`Precision::Bf16`] falls back to f32.
    pub fn new(precision: Precision) -> Self {
        #[cfg(not(target_arch = "x86_64"))]
        let _ = precision;
        Self {
            #[cfg(target_arch = "x86_64")]
            bf16: match precision {
                Precision::Bf16 => bf16::Unit::find().map(|unit| (unit, bf16::Workspace::default())),
                Precision::F32 => None,
            },
        }
    }

    /// `C = A * B`, or `C += A * B` if `accumulate`, for `(m, n, k)`: A is m x k, B is k x n, C row-major with `c_stride` values between rows.
    pub fn multiply(
        &mut self,
        (m, n, k): (usize, usize, usize),
        a: Operand,
        b: Operand,
        c: &mut [f32],
        c_stride: usize,
        accumulate: bool,
    ) {
        if m == 0 || n == 0 || k == 0 {
            return;
        }
        #[cfg(target_arch = "x86_64")]
        if let Some((unit, workspace)) = &mut self.bf16 {
            return bf16::matmul(unit, workspace, (m, n, k), a, b, c, c_stride, accumulate);
        }
        a.check(m, k);
        b.check(k, n);
        assert!(c.len() >= (m - 1) * c_stride + n);
        // The product's transpose, B^T A^T, as the crate writes whole columns.
        // SAFETY: every operand's extent was checked against its slice, and C is borrowed uniquely.
        unsafe {
            gemm_f32::gemm::f32::get_gemm_fn()(
                n,
                m,
                k,
                c.as_mut_ptr(),
                c_stride as isize,
                1,
                accumulate,
                b.data.as_ptr(),
                b.row_stride as isize,
                b.column_stride as isize,
                a.data.as_ptr(),
                a.row_stride as isize,
                a.column_stride as isize,
                1.0,
                1.0,
                false,
                false,
                false,
                gemm_common::Parallelism::None,
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::random;

    fn plain((m, n, k): (usize, usize, usize), a: Operand, b: Operand) -> Vec<f64> {
        let at = |o: Operand, r: usize, c: usize| f64::from(o.data[r * o.row_stride + c * o.column_stride]);
        let mut c = vec![0.0; m * n];
        for i in 0..m {
            for j in 0..n {
                c[i * n + j] = (0..k).map(|l| at(a, i, l) * at(b, l, j)).sum();
            }
        }
        c
    }

    #[test]
    fn every_layout_matches_the_plain_product() {
        let shapes = [(1, 1, 1), (16, 16, 32), (33, 47, 65), (64, 192, 64), (5, 100, 31), (128, 17, 96), (48, 16, 40)];
        for precision in [Precision::F32, Precision::Bf16] {
            let mut multiplier = Multiplier::new(precision);
            for (case, (m, n, k)) in shapes.into_iter().enumerate() {
                for layout in 0..4 {
                    let (data_a, data_b) = (random(m * k, case as u64), random(k * n, 100 + case as u64));
                    let a = if layout & 1 == 0 {
                        Operand::rows(&data_a, k)
                    } else {
                        Operand::rows(&data_a, m).transposed()
                    };
                    let b = if layout & 2 == 0 {
                        Operand::rows(&data_b, n)
                    } else {
                        Operand::rows(&data_b, k).transposed()
                    };
                    let expected = plain((m, n, k), a, b);
                    let stride = n + 3;
                    let mut c = vec![7.0; m * stride];
                    multiplier.multiply((m, n, k), a, b, &mut c, stride, false);
                    multiplier.multiply((m, n, k), a, b, &mut c, stride, true);
                    let tolerance = match precision {
                        Precision::F32 => 1e-5,
                        Precision::Bf16 => 1e-2,
                    } * (k as f64).sqrt();
                    for i in 0..m {
                        for j in 0..n {
                            let (found, wanted) = (f64::from(c[i * stride + j]), 2.0 * expected[i * n + j]);
                            assert!(
                                (found - wanted).abs() < tolerance,
                                "{precision:?} {m}x{n}x{k} layout {layout}: ({i},{j}) {found} against {wanted}"
                            );
                        }
                        if (i + 1) * stride <= c.len() {
                            assert!(c[i * stride + n..(i + 1) * stride].iter().all(|v| *v == 7.0), "wrote outside C");
                        }
                    }
                }
            }
        }
    }
}
