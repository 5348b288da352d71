//! The interface of a SIMD path: the inner loops of the numeric contract over packed operands.

use equalinfo_codec::Frequencies;
use equalinfo_codec::m1::Requantizer;

use super::packed::{HeadCache, PackedMatrix, Packing};

/// The power table in the forms that the paths look it up in.
pub struct Powers {
    /// For gathers.
    pub words: [i32; 256],
    /// For permutations.
    pub halves: [u16; 256],
}

impl Powers {
    pub fn new(halves: [u16; 256]) -> Self {
        Self { words: halves.map(i32::from), halves }
    }
}

/// The inner loops. Implementors hold a proof that the processor has the instructions they use.
///
/// Activations pass between the loops in a form of the kernel's choice, one byte each; only keys and values leave it,
/// as plain `i8`. Matrix products take several items at once: `activations` is `[items][width]`, outputs are
/// `[items][rows]`.
pub trait Loops: Copy + Send + Sync + 'static {
    /// How weights are packed.
    const PACKING: Packing;

    /// How keys and values are packed, one block at a time.
    const CACHE: Packing;

    /// The contract's norm of one item.
    fn norm(self, residual: &[i32], constant: u32, activations: &mut [u8]);

    /// Computes rows as 8-bit activations.
    fn linear(self, matrix: &PackedMatrix, activations: &[u8], out: &mut [u8]);

    /// Adds rows to the residual.
    fn linear_add(self, matrix: &PackedMatrix, activations: &[u8], residual: &mut [i32]);

    /// Computes both halves of the ReGLU and their product as 8-bit activations; `scratch` is `[items][rows]`.
    fn gated(
        self,
        halves: [&PackedMatrix; 2],
        reglu: Requantizer,
        activations: &[u8],
        scratch: &mut [i32],
        out: &mut [u8],
    );

    /// The logits of 256 rows, scaled by `2^4` before their requantizers.
    fn logits(self, matrix: &PackedMatrix, activations: &[u8], out: &mut [i32]);

    /// The contract's step from logits to frequencies; `powers` is the power table.
    fn frequencies(self, logits: &[i32; 256], powers: &Powers) -> Frequencies;

    /// Converts 64 activations to plain `i8` for the cache.
    fn plain(self, activations: &[u8; 64]) -> [i8; 64];

    /// Caches the key and the value of a position, which are activations.
    fn cache(self, cache: &mut HeadCache, position: usize, key: &[u8; 64], value: &[u8; 64]) {
        cache.store(Self::CACHE, position, &self.plain(key), &self.plain(value));
    }

    /// One head's attention over the cached positions.
    fn attend(self, head: &Head, query: &[u8; 64], scratch: &mut Scratch, out: &mut [u8; 64]);
}

/// The loops that are functions of a path's module, those of products with a field of the proof ahead of the rest: a
/// value of the path's type exists only if the processor has the features of all of them.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
macro_rules! loops_by_functions {
    ($flag:ident) => {
        fn norm(self, residual: &[i32], constant: u32, activations: &mut [u8]) {
            // SAFETY: the proof, here and below.
            unsafe { norm(residual, constant, activations) }
        }

        fn linear(self, matrix: &PackedMatrix, activations: &[u8], out: &mut [u8]) {
            unsafe { linear(self.$flag, matrix, activations, out) }
        }

        fn linear_add(self, matrix: &PackedMatrix, activations: &[u8], residual: &mut [i32]) {
            unsafe { linear_add(self.$flag, matrix, activations, residual) }
        }

        fn gated(
            self,
            halves: [&PackedMatrix; 2],
            reglu: Requantizer,
            activations: &[u8],
            scratch: &mut [i32],
            out: &mut [u8],
        ) {
            unsafe { gated(self.$flag, halves[0], halves[1], reglu, activations, scratch, out) }
        }

        fn logits(self, matrix: &PackedMatrix, activations: &[u8], out: &mut [i32]) {
            unsafe { logits(self.$flag, matrix, activations, out) }
        }

        fn frequencies(self, logits: &[i32; 256], powers: &Powers) -> Frequencies {
            unsafe { frequencies(logits, powers) }
        }
    };
}
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
pub(super) use loops_by_functions;

/// One head of one layer at one position.
pub struct Head<'a> {
    pub cache: &'a HeadCache,
    /// The bias of each place in the ring, padded to whole blocks of 16 places.
    pub biases: &'a [i32],
    /// The number of ring places that hold a position.
    pub length: usize,
    pub score: Requantizer,
    pub output: (u16, u8),
    pub powers: &'a Powers,
}

/// Scores and weights of up to 256 positions.
#[repr(C, align(64))]
pub struct Scratch {
    pub scores: [i32; 256],
    /// Weights, or their upper 8 of 15 bits.
    pub high: [u8; 512],
    /// The lower 7 bits, if the kernel splits weights.
    pub low: [u8; 256],
}

impl Default for Scratch {
    fn default() -> Self {
        Self { scores: [0; 256], high: [0; 512], low: [0; 256] }
    }
}

/// The requantizer of the attention output for a given sum of weights.
#[inline]
pub fn output_requantizer((factor, shift): (u16, u8), total: u32) -> (i32, i32) {
    let (r, n) = equalinfo_codec::m1::ops::reciprocal(total);
    (((r * u32::from(factor)) >> 16) as i32, n + i32::from(shift) - 1)
}

/// `(K / root)` of the contract's norm from the sum of squares.
#[inline]
pub fn norm_inverse(constant: u32, squares: u64) -> i32 {
    // Below 2^42 the correctly rounded square root of a double never reaches the next integer, so this floor is exact.
    let root = (squares as f64).sqrt() as u32;
    (constant / root.max(1)).min(32767) as i32
}

#[cfg(test)]
mod tests {
    use super::norm_inverse;
    use equalinfo_codec::m1::ops::isqrt;

    #[test]
    fn square_root_is_the_integer_one() {
        for root in (1u64..1 << 21).step_by(331).chain([1, 2, 3, (1 << 21) - 1]) {
            for squares in [root * root - 1, root * root, root * root + 1, root * root + 2 * root] {
                let expected = (u32::MAX / isqrt(squares).max(1)).min(32767) as i32;
                assert_eq!(norm_inverse(u32::MAX, squares), expected);
                assert_eq!((squares as f64).sqrt() as u32, isqrt(squares));
            }
        }
    }
}
