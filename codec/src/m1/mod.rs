//! M1: the quantized byte-level transformer that predicts the next byte.
//!
//! Everything here follows `docs/numeric-contract.md` (what is computed) and `docs/m1q.md` (how an image is laid out).
//! Invariant: every sum is exact and every rounding is [`Requantizer::apply`], so any implementation of the same
//! contract, on any machine and in any order of summation, gives the same [`Frequencies`](crate::Frequencies).
//!
//! * [`ops`]: the primitives of the contract.
//! * [`image`]: [`Model`], a zero-copy view of a `.m1q` image; loading checks every bound the arithmetic relies on.
//! * [`kernels`]: the loops that take the time, and how to replace them.
//! * [`forward`]: [`M1`], the model with its key-value cache over the caller's memory.

mod error;
pub mod forward;
pub mod image;
pub mod kernels;
pub mod ops;

pub use error::ModelError;
pub use forward::M1;
pub use image::{Config, Layer, Matrix, Model};
pub use kernels::{Activations, Kernels, Lists, Portable, list_nonzero};
pub use ops::Requantizer;
