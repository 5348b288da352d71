//! The adaptive layer: what this block has taught so far, mixed with a model that knows the language (`docs/mix.md`).
//!
//! A byte is eight binary decisions. For each, a *front* (an M1, or nothing), a match, and tables of contexts give
//! their opinions as stretched probabilities; weights that learn add them up, adaptive maps correct the sum, and a
//! binary range coder spends the bits. Invariant: everything is a function of the bytes so far, in integers that stay
//! within 32 bits, so encoder and decoder agree on every device; nothing is kept from one block to the next.
//!
//! In the order of a decision:
//!
//! * [`logistic`]: probabilities and stretched probabilities.
//! * [`counter`] and [`bit_history`]: how a probability learns, and what a context remembers.
//! * [`text`]: what contexts are made of. [`matches`](mod@matches), [`slots`], [`caches`]: the three kinds of tables.
//! * [`mixer`] with its [`loops`], and [`finals`]: one opinion out of many.
//! * [`predictor`]: all of them over the caller's memory, sized by a [`Class`].
//! * [`binary_coder`], [`encoder`], [`decoder`]: bits. [`tables`]: one block after the other, for streams.
//!
//! ```
//! use equalinfo_codec::mix::{Alone, Class, decode_block, encode_block};
//!
//! let text = b"how much wood would a woodchuck chuck if a woodchuck could chuck wood?";
//! let mut memory = [0; Class::Kib16.words()];
//! let mut code = [0; 80];
//! let length = encode_block(Class::Kib16, Alone, &mut memory, text, &mut code)?;
//! assert!(length < text.len());
//!
//! let mut decoded = [0; 70];
//! decode_block(Class::Kib16, Alone, &mut memory, &code[..length], &mut decoded)?;
//! assert_eq!(decoded, *text);
//! # Ok::<(), equalinfo_codec::mix::MixError>(())
//! ```

pub mod address;
pub mod binary_coder;
pub mod bit_history;
pub mod caches;
pub mod class;
pub mod counter;
pub mod decoder;
pub mod encoder;
mod error;
pub mod finals;
pub mod front;
pub mod logistic;
pub mod loops;
mod machine;
pub mod matches;
pub mod memory;
pub mod mixer;
pub mod observer;
pub mod predictor;
pub mod prime;
pub mod slots;
pub mod tables;
pub mod text;
mod weights;

pub use binary_coder::{BinaryDecoder, BinaryEncoder};
pub use class::{Class, Kib4, Kib16, Kib64, Kib256, Mib1, Mib16, Shape, WithShape};
pub use decoder::{Decoder, decode_block};
pub use encoder::{Encoder, encode_block, shown};
pub use error::MixError;
pub use front::{Alone, Front};
pub use loops::{Loops, Portable};
pub use observer::{Decision, Observer};
pub use predictor::Predictor;
pub use prime::Priming;
pub use tables::{AnyTables, Coder, NoTables, OneClass, Tables, WithTables};
