//! Cores whose multiplier gives all 64 bits of a product: Cortex-M3, M4 and above.

use equalinfo_codec::m1::{Activations, Kernels, Matrix, Portable, Requantizer};

/// The portable loops, with a requantization of fewer instructions.
#[derive(Debug)]
pub enum Wide {}

impl Kernels for Wide {
    type Prepared<'a> = Activations<'a>;

    #[inline]
    fn prepare<'a>(activations: &'a [i8], scratch: &'a mut [i32]) -> Activations<'a> {
        Portable::prepare(activations, scratch)
    }

    #[inline]
    fn prepare_sparse<'a>(activations: &'a [i8], scratch: &'a mut [i32]) -> Activations<'a> {
        Portable::prepare_sparse(activations, scratch)
    }

    #[inline]
    fn project(rows: &Matrix, activations: &Activations<'_>, scale: u32, out: &mut [i32]) {
        Portable::project(rows, activations, scale, out);
    }

    #[inline]
    fn project_gated(rows: &Matrix, activations: &Activations<'_>, gates: &[i32], out: &mut [i32]) {
        Portable::project_gated(rows, activations, gates, out);
    }

    #[inline]
    fn requantize(requantizer: Requantizer, x: i32) -> i32 {
        let multiplier = i64::from(requantizer.multiplier()) << 16;
        // The lower 16 bits of the product never matter to more than the rounding.
        let product = ((i64::from(x) * multiplier) >> 32) as i32;
        product.wrapping_shr(u32::from(requantizer.shift()).wrapping_sub(17)).wrapping_add(1) >> 1
    }
}
