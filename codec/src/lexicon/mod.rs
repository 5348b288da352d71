//! The lexicon: all 65,536 texts of a 16-bit code in a table, so that neither side needs a model.
//!
//! Invariants (`docs/lexicon.md`): codes number the nodes of a tree of texts in pre-order, so the codes below a node
//! follow it directly and the children of a node come in byte order. Every text of one byte has a code, so the longest
//! match always takes at least a byte, and what it encodes decodes to the same text. Whatever the tables hold, a
//! walk only ever moves to larger codes: it ends, and needs no memory but a few words.
//!
//! * [`image`]: [`Lexicon`], a zero-copy view of a `.lex` image.
//! * [`walk`]: from a code to its text, and from a text to its longest match.
//! * [`payload`]: sequences of codes with nothing around them, and in blocks.
//! * [`stream`]: whole streams.
//!
//! ```no_run
//! # static LEXICON: [u8; 0] = [];
//! # static STREAM: [u8; 0] = [];
//! # fn show(byte: u8) {}
//! use equalinfo_codec::lexicon::Lexicon;
//!
//! let lexicon = Lexicon::load(&LEXICON)?;
//! for byte in lexicon.stream(&STREAM)? {
//!     show(byte?);
//! }
//! # Ok::<(), Box<dyn core::error::Error>>(())
//! ```

mod error;
pub mod image;
pub mod payload;
pub mod stream;
pub mod walk;

pub use error::LexiconError;
pub use image::{Lexicon, LexiconKind};
pub use payload::{BlockText, PayloadText};
pub use stream::StreamText;
pub use walk::Text;
