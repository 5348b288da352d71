#![doc = include_str!("../README.md")]
//!
//! # How the parts fit
//!
//! Data flow: [`data`] cuts a corpus into rows of symbols, and [`tokens`] takes rows of tokens from shards; a [`graph`] runs
//! them forward and back over a [`device`] ([`cpu`], [`gpu`]), many at once in a [`backend`]; an [`optimizer`] moves the
//! parameters. A [`run`] repeats that and keeps everything in a [`checkpoint`] that it needs to resume to the same bits,
//! within [`bounds`] and in its [`directory`];
//! [`ranks`] train together. Users start [`m1::Run`] and [`m2::Run`], quantize with [`integer_model`], and draw tokens with a
//! [`sampler`]; an [`observer`] follows.
#![deny(missing_docs)]

pub mod backend;
mod basis;
pub mod bounds;
pub mod checkpoint;
pub mod cpu;
pub mod data;
pub mod device;
pub mod directory;
mod error;
mod fake_quantize;
pub mod gpu;
pub mod graph;
mod grow;
pub mod integer_model;
pub mod m1;
pub mod m2;
pub mod metrics;
pub mod observer;
pub mod optimizer;
pub mod ranks;
mod reflow;
mod resume;
mod rounding;
pub mod run;
pub mod sampler;
mod segment;
pub mod settings;
mod tensorboard;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
pub mod tokens;
pub mod validation;
pub mod workers;

pub use error::{Result, TrainError};
