//! Training of the one architecture of this project: explicit forward and backward passes over a small set of device operations.
//!
//! Data flow: [`data`] cuts a corpus into rows of tokens, [`model`] runs them forward and back over a [`device`], [`optimizer`] moves the
//! parameters, [`checkpoint`] keeps everything that a [`run`] needs to resume to the same bits. [`m1`], [`m2`] and [`quantize`] are the commands;
//! M2 trains on the rows of [`tokens`].

mod backend;
mod basis;
pub mod checkpoint;
pub mod cpu;
pub mod data;
pub mod device;
mod fake_quantize;
pub mod gpu;
mod grow;
mod layout;
pub mod m1;
pub mod m2;
pub mod model;
pub mod optimizer;
pub mod quantize;
pub mod random;
mod rounding;
pub mod run;
pub mod sampler;
mod segment;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
pub mod tokens;
pub mod workers;
