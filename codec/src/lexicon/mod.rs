//! Lexicons: all 65,536 texts of a 16-bit code in a table, so that neither side needs a model.
//!
//! Invariants (`docs/lexicon.md`): codes number the nodes of a tree of texts in pre-order, so the codes below a node
//! follow it directly, and the children of a node are in byte order. Every text of one byte has a code, so the longest
//! match always takes at least one byte, and its code decodes to the same text. Whatever the tables contain, a walk
//! only moves to larger codes: it ends, and needs a few words of memory.
//!
//! * [`image`]: [`Lexicon`], a zero-copy view of a `.lex` image.
//! * [`walk`]: from a code to its text, and from a text to its longest match.
//! * [`payload`]: sequences of codes, with nothing around them or in blocks.
//! * [`stream`]: whole streams.
//!
//! `equalinfo lexicon build` makes an image from a model. This one holds 127 texts of two bytes after each byte:
//!
//! ```
//! use equalinfo_codec::lexicon::Lexicon;
//! # use equalinfo_codec::checksum::image_checksum;
//! # let mut lexicon_image = vec![0u8; 36 + 512 + 2 * 65536];
//! # let (bytes, sizes) = (36 + 512, 36 + 512 + 65536);
//! # lexicon_image[sizes..].fill(255);
//! # lexicon_image[sizes] = 254;
//! # lexicon_image.extend([0, 0, 255, 255]);
//! # for byte in 0..=255u8 {
//! #     let start = 1 + 255 * usize::from(byte);
//! #     lexicon_image[36 + 2 * usize::from(byte)..][..2].copy_from_slice(&(start as u16).to_le_bytes());
//! #     lexicon_image[bytes + start] = byte;
//! #     lexicon_image[sizes + start] = 254;
//! #     lexicon_image.extend((start as u16).to_le_bytes());
//! #     lexicon_image.extend([254, 0]);
//! #     for second in 0..127 {
//! #         lexicon_image[bytes + start + 1 + second] = second as u8;
//! #         lexicon_image[sizes + start + 1 + second] = 0;
//! #     }
//! # }
//! # lexicon_image[..4].copy_from_slice(b"LEX1");
//! # let length = lexicon_image.len() as u32;
//! # lexicon_image[4..8].copy_from_slice(&length.to_le_bytes());
//! # lexicon_image[28] = 64;
//! # lexicon_image[32..34].copy_from_slice(&257u16.to_le_bytes());
//! # let checksum = image_checksum(&lexicon_image[..16], &lexicon_image[20..]);
//! # lexicon_image[16..20].copy_from_slice(&checksum.to_le_bytes());
//!
//! let lexicon = Lexicon::load(&lexicon_image)?;
//! let (code, length) = lexicon.encode(b"text");
//! assert_eq!(length, 2);
//! assert_eq!(lexicon.text(code).collect::<Vec<u8>>(), b"te");
//!
//! let mut payload = [0; 16];
//! let length = lexicon.encode_payload(b"some text", &mut payload)?;
//! let text: Result<Vec<u8>, _> = lexicon.payload(&payload[..length])?.collect();
//! assert_eq!(text?, b"some text");
//! # Ok::<(), Box<dyn core::error::Error>>(())
//! ```
//!
//! The text of a whole stream is an iterator too, [`Lexicon::stream`].

mod error;
pub mod image;
pub mod payload;
pub mod stream;
pub mod walk;

pub use error::LexiconError;
pub use image::{Lexicon, LexiconKind};
pub use payload::{BlockText, PayloadText};
pub use stream::StreamText;
pub use walk::CodeText;
