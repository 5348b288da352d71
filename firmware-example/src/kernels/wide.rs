//! Cores whose multiplier gives all 64 bits of a product: Cortex-M3, M4 and above.

use equalinfo_codec::m1::{Kernels, Portable, Requantizer};

/// The portable loops, with a requantization of fewer instructions.
#[derive(Debug)]
pub enum Wide {}

impl Kernels for Wide {
    type Prepared<'a> = &'a [i8];

    #[inline]
    fn prepare(activations: &[i8]) -> &[i8] {
        activations
    }

    #[inline]
    fn dot4(rows: &[u8], activations: &&[i8]) -> [i32; 4] {
        Portable::dot4(rows, activations)
    }

    #[inline]
    fn requantize(requantizer: Requantizer, x: i32) -> i32 {
        let multiplier = i64::from(requantizer.multiplier()) << 16;
        // The lower 16 bits of the product never matter to more than the rounding.
        let product = ((i64::from(x) * multiplier) >> 32) as i32;
        product.wrapping_shr(u32::from(requantizer.shift()).wrapping_sub(17)).wrapping_add(1) >> 1
    }
}
