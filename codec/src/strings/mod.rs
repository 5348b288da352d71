//! String tables: the texts of a user interface in one blob, each of which decodes alone.
//!
//! Invariants (`docs/string-table.md`): a table holds as many texts in each of its languages; text `id` of one is at
//! `id` of another. Whatever a blob contains, a lookup reads its index at most once from the start and ends.
//!
//! * [`table`]: [`StringTable`], a zero-copy view of an `.eqt` blob.
//! * [`stored`]: [`StoredStringTable`], which reads a blob by pieces, from serial flash for instance.
//! * [`lengths`]: the lengths of all codes, in a few bits each.
//!
//! `equalinfo table build` makes a blob from files of texts. This one holds two texts coded without a model:
//!
//! ```
//! use equalinfo_codec::Uniform;
//! use equalinfo_codec::container::ModelIdentity;
//! use equalinfo_codec::strings::{StringTable, WithIdentity};
//! # use equalinfo_codec::checksum::image_checksum;
//! # let mut blob = *b"EQT1\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x02\0\x01\x01\x03\0\x01\0\0\xb8\xfdon\xfdoff";
//! # let blob_length = blob.len() as u32;
//! # blob[4..8].copy_from_slice(&blob_length.to_le_bytes());
//! # let checksum = image_checksum(&blob[..8], &blob[12..]);
//! # blob[8..12].copy_from_slice(&checksum.to_le_bytes());
//!
//! let table = StringTable::load(&blob)?;
//! assert_eq!((table.strings(), table.longest()), (2, 3));
//! let mut coder = WithIdentity { model: Uniform, identity: ModelIdentity::default() };
//! let mut buffer = [0; 3];
//! assert_eq!(table.get_str(&mut coder, 0, 1, &mut buffer)?, "off");
//! # Ok::<(), Box<dyn core::error::Error>>(())
//! ```

mod error;
mod header;
pub mod lengths;
pub mod stored;
pub mod table;

pub use error::{StringError, StringTableError};
pub use lengths::Lengths;
pub use stored::StoredStringTable;
pub use table::{StringCoder, StringCoding, StringTable, WithIdentity};
