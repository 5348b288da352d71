//! [`ModelName`]: what people call the model of a stream.

use core::fmt;

/// A model's name in a header: at most 16 printable ASCII characters, or none. The names of shipped models take no
/// room.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct ModelName {
    characters: [u8; Self::LONGEST],
    length: u8,
}

/// The names that have numbers, the first one 1.
const NUMBERED: [&str; 4] = ["pico", "nano", "micro", "3m"];

impl ModelName {
    /// The most characters.
    pub const LONGEST: usize = 16;

    /// No name.
    pub const NONE: Self = Self { characters: [0; Self::LONGEST], length: 0 };

    /// The number that says that the name follows.
    pub(super) const SPELLED: u8 = 15;

    /// A model's name; [`Self::NONE`] if a header cannot hold it.
    pub fn new(name: &str) -> Self {
        Self::of(name.as_bytes()).unwrap_or(Self::NONE)
    }

    /// The name that these characters are, if a header can hold it.
    fn of(characters: &[u8]) -> Option<Self> {
        let mut new = Self::NONE;
        for &byte in characters {
            *new.characters.get_mut(usize::from(new.length)).filter(|_| byte.is_ascii_graphic())? = byte;
            new.length += 1;
        }
        Some(new)
    }

    /// A name that is spelled out; `None` if it has a number, or characters that names do not have.
    pub(super) fn spelled(bytes: &[u8]) -> Option<Self> {
        Self::of(bytes).filter(|name| name.code() == Self::SPELLED)
    }

    /// The name with this number; 0 is none.
    pub(super) fn from_code(code: u8) -> Option<Self> {
        match code.checked_sub(1) {
            None => Some(Self::NONE),
            Some(index) => NUMBERED.get(usize::from(index)).map(|name| Self::new(name)),
        }
    }

    /// Its number.
    pub(super) fn code(&self) -> u8 {
        if self.length == 0 {
            return 0;
        }
        let numbered = (1..).zip(NUMBERED).find(|(_, name)| name.as_bytes() == self.as_bytes());
        numbered.map_or(Self::SPELLED, |(code, _)| code)
    }

    /// The name; empty if there is none.
    pub fn as_str(&self) -> &str {
        core::str::from_utf8(self.as_bytes()).unwrap_or_default()
    }

    /// Its characters.
    pub(super) fn as_bytes(&self) -> &[u8] {
        self.characters.get(..usize::from(self.length)).unwrap_or_default()
    }
}

impl fmt::Display for ModelName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Debug for ModelName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.as_str())
    }
}

#[cfg(feature = "defmt")]
impl defmt::Format for ModelName {
    fn format(&self, f: defmt::Formatter<'_>) {
        defmt::write!(f, "{=[u8]:a}", self.as_bytes());
    }
}
