//! The CUDA kernels of EqualInfo.
//!
//! A kernel is CUDA C++ in a `.cu` file beside this crate, whose head says what it computes and why it is shaped so. The crate
//! carries their text ([`source`]), to be compiled by NVRTC for the GPU found, and a module for each file with safe functions that
//! launch its kernels on any [`Driver`]: grid, block and shared memory of a launch, and the order of its arguments, are told there and nowhere else.
//!
//! ```text
//!  .cu sources ──► NVRTC ──► CudaDriver (feature cuda) ─┐
//!      │                                                ├── impl Driver ◄── modules of this crate ◄── trainer, codec, tests
//!      └───► C++ compiler + cpu/ ──► CpuDriver ─────────┘
//! ```
//!
//! The feature `shim` builds the same files with the C++ compiler; [`CpuDriver`](cpu::CpuDriver) then runs them on the CPU.
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
pub mod norm;
pub mod optimizer;
pub mod reglu;
pub mod rounding;
mod sources;

pub use driver::{Argument, Boxes, Driver, Kernel, Launch, Memory, View};
pub use sources::{FILES, MissingSource, source, units};
