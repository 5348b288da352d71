//! The C interface of the decoder; `include/equalinfo.h` is generated from it and documents every function for C.
//!
//! Invariants: no function allocates or panics; every pointer is checked for null before it is used, and used within
//! the length that came with it; a status other than [`EqualinfoStatus::Ok`] says why nothing more was done. `unsafe`
//! is confined to this crate, and is all about what the caller promises.
#![cfg_attr(not(feature = "std"), no_std)]

mod lexicon;
mod memory;
mod message;
mod model;
#[cfg(not(feature = "std"))]
mod panic;
mod status;
mod stream;

pub use lexicon::*;
pub use message::*;
pub use model::*;
pub use status::*;
pub use stream::*;
