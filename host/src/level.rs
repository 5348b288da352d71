//! [`Level`]: how much time compression may take, as people say it.

use equalinfo_codec::container::Method;
use equalinfo_codec::mix::Class;

use crate::coding::CodingModel;
use crate::error::LoadError;
use crate::model::Model;

/// From 1, the fastest, to 9, the smallest.
///
/// ```
/// use equalinfo::{Compressor, Decompressor, Level};
///
/// let log = b"12:00:01 GET /index.html 200\n12:00:02 GET /style.css 200\n".repeat(50);
/// let fast = Compressor::at(Level::FASTEST)?.compress_to_vec(&log)?;
/// assert!(fast.len() < 150);
/// assert_eq!(Decompressor::new().decompress_to_vec(&fast)?, log);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Level(u8);

impl Level {
    /// Tables of 16 KiB.
    pub const FASTEST: Self = Self(1);
    /// What most people want.
    pub const DEFAULT: Self = Self(6);
    /// The largest model and the largest tables.
    pub const SMALLEST: Self = Self(9);

    /// A level by its number; `None` unless it is one of 1 to 9.
    pub const fn new(number: u8) -> Option<Self> {
        if number >= 1 && number <= 9 { Some(Self(number)) } else { None }
    }

    /// Its number.
    pub const fn number(self) -> u8 {
        self.0
    }

    /// The name of its model, if it has one.
    pub const fn model_name(self) -> Option<&'static str> {
        match self.0 {
            ..=4 => None,
            5 => Some("nano"),
            6 | 7 => Some("micro"),
            _ => Some("3m"),
        }
    }

    /// Its tables.
    pub const fn class(self) -> Class {
        match self.0 {
            1 => Class::Kib16,
            2 => Class::Kib256,
            3 => Class::Mib1,
            _ => Class::Mib16,
        }
    }

    /// How it codes.
    pub const fn method(self) -> Method {
        match self.model_name() {
            None => Method::Tables(self.class()),
            Some(_) => Method::Mix(self.class()),
        }
    }

    /// Bytes of text in a block: larger ones are smaller in the end, and fewer of them can be coded at a time.
    pub const fn block_size(self) -> u64 {
        match self.0 {
            1 => 1 << 18,
            2 | 3 => 1 << 20,
            4..=6 => 1 << 22,
            _ => 1 << 24,
        }
    }

    /// What it codes with.
    ///
    /// # Errors
    /// As [`Model::shipped`].
    pub fn model(self) -> Result<CodingModel, LoadError> {
        match self.model_name() {
            None => Ok(CodingModel::None),
            Some(name) => Ok(Model::shipped(name)?.into()),
        }
    }
}

impl Default for Level {
    fn default() -> Self {
        Self::DEFAULT
    }
}

impl std::fmt::Display for Level {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0)
    }
}
