//! [`Loops`]: the mixer's two loops, which a host may replace by vector instructions.
//!
//! Invariant: every implementation gives the bits of [`Portable`].

use core::fmt::Debug;

use super::memory::SHORT;

/// A weighted sum, and a step of the weights. There are as many inputs as weights.
pub trait Loops: Copy + Debug {
    /// The sum of the inputs, each times the upper half of its weight.
    fn dot(inputs: &[i16], weights: &[u32]) -> i32;

    /// Adds to each weight its input times the error.
    fn train(inputs: &[i16], weights: &mut [u32], error: i16);
}

/// The loops in plain Rust.
#[derive(Clone, Copy, Debug)]
pub struct Portable;

impl Loops for Portable {
    #[inline]
    fn dot(inputs: &[i16], weights: &[u32]) -> i32 {
        let products = inputs.iter().zip(weights).map(|(&input, &weight)| i32::from(input) * (weight as i32 >> 16));
        products.fold(0, i32::wrapping_add)
    }

    #[inline]
    fn train(inputs: &[i16], weights: &mut [u32], error: i16) {
        for (weight, &input) in weights.iter_mut().zip(inputs) {
            if SHORT && input == 0 {
                continue;
            }
            *weight = weight.wrapping_add((i32::from(input) * i32::from(error)) as u32);
        }
    }
}
