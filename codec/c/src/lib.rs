//! The C interface of the decoder. `include/equalinfo.h` is generated from it and documents every function for C.
//!
//! Invariants: no function allocates or panics; every pointer is checked for null before use, and used only within the
//! length that came with it; a status other than [`EqualinfoStatus::Ok`] says why a function stopped. All `unsafe` code
//! relies on promises of the caller, which the documentation of each function states.
#![cfg_attr(not(feature = "std"), no_std)]

mod encoder;
mod lexicon;
mod memory;
mod message;
mod model;
#[cfg(not(feature = "std"))]
mod panic;
mod status;
mod stream;
mod strings;
mod tables;

pub use encoder::*;
pub use lexicon::*;
pub use message::*;
pub use model::*;
pub use status::*;
pub use stream::*;
pub use strings::*;
pub use tables::*;
