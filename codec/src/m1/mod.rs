//! M1: the quantized byte-level transformer that predicts the next byte.
//!
//! `docs/numeric-contract.md` specifies the computation, and `docs/m1q.md` the image. Invariant: every sum is exact and
//! every rounding is [`Requantizer::apply`], so any implementation of the contract, on any machine and in any order of
//! summation, gives the same [`Frequencies`](crate::Frequencies).
//!
//! * [`ops`]: the primitives of the contract.
//! * [`Config`], [`Extent`]: dimensions, and what follows from them.
//! * [`image`]: [`Model`], a zero-copy view of a `.m1q` image; loading checks every bound that the arithmetic needs.
//! * [`ngrams`]: the n-gram tables, whose rows the newest bytes look up.
//! * [`kernels`]: the inner loops, and the trait to replace them.
//! * [`forward`]: [`M1`], the model with its key-value cache in the caller's memory.
//!
//! ```
//! use equalinfo_codec::ByteModel;
//! use equalinfo_codec::m1::{Aligned, M1, Model};
//!
//! static IMAGE: &[u8] =
//!     &Aligned(*include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/tiny.m1q"))).0;
//!
//! let model = Model::load(IMAGE)?;
//! let config = model.config();
//! let (mut bytes, mut words) = (vec![0; config.byte_buffer(16)], vec![0; config.word_buffer(16)]);
//! let mut m1 = M1::new(&model, 16, &mut bytes, &mut words)?;
//! b"th".iter().for_each(|&byte| m1.push(byte));
//! let frequencies = m1.frequencies();
//! assert!(frequencies.count(b'e') > frequencies.count(b'z'));
//! # Ok::<(), Box<dyn core::error::Error>>(())
//! ```

mod config;
mod error;
pub mod forward;
pub mod image;
pub mod kernels;
pub mod ngrams;
pub mod ops;

pub use config::{Config, Extent};
pub use error::ModelError;
pub use forward::M1;
pub use image::{Aligned, Layer, Matrix, Model, Verification};
pub use kernels::{Activations, Kernels, Lists, Portable, list_nonzero};
pub use ngrams::Ngrams;
pub use ops::Requantizer;
