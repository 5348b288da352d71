//! The integer M1 against a plain restatement of its specification, and its image format against every kind of damage.
#![allow(clippy::float_arithmetic)]

mod contract;
mod images;
mod loading;
mod restatement;
