#![doc = include_str!("../README.md")]
//!
//! # How the parts fit
//!
//! Grid, block and shared memory of a launch, and the order of its arguments, are told in the module of its file and nowhere
//! else. The text of a file is [`source`]; a launch goes to any [`Driver`].
//!
//! ```text
//!  .cu sources ──► NVRTC ──► CudaDriver (feature cuda) ─┐
//!      │                                                ├── impl Driver ◄── launch modules ◄── trainer, codec, tests
//!      └───► C++ compiler + cpu/ ──► CpuDriver ─────────┘
//! ```
#![deny(missing_docs)]

pub mod attention;
pub mod convert;
#[cfg(feature = "shim")]
pub mod cpu;
pub mod cross_entropy;
#[cfg(feature = "cuda")]
pub mod cuda;
mod driver;
pub mod embedding;
pub mod gemm;
pub mod integer_m1;
pub mod muon;
pub mod norm;
pub mod optimizer;
pub mod reglu;
pub mod rounding;
mod sources;

pub use driver::{Argument, Boxes, Driver, Kernel, Launch, Memory, View};
pub use sources::{FILES, MissingSource, source, units};
