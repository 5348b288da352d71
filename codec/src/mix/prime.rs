//! [`Priming`]: what the tables know before the first byte.

use super::class::Shape;

/// The initial weights of the mixer.
#[derive(Clone, Copy, Debug)]
pub struct Priming<'p> {
    /// Weights of which 1,024 are 1: for each selector one set for each primed set, each with all inputs.
    pub weights: &'p [i16],
}

impl Priming<'static> {
    /// The initial weights of a class for any front, or for none.
    pub const fn generic<S: Shape>(speaks: bool) -> Self {
        Self { weights: S::WEIGHTS[speaks as usize] }
    }
}

impl Priming<'_> {
    /// How many weights a class takes.
    pub const fn numbers<S: Shape>() -> usize {
        let (mut sets, mut index) = (0, 0);
        while index < S::SELECTORS.len() {
            sets += S::SELECTORS[index].primed();
            index += 1;
        }
        sets * S::INPUTS
    }
}
