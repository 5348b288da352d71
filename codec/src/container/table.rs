//! The frequencies of a `static-ac` stream, between its header and its first block.
//!
//! Invariant: every table has exactly one encoding. It consists of a bitmap of the bytes whose count is above the
//! minimum, the excess of each of these counts in its shortest form, and a checksum: 36 bytes, and one to three for
//! each byte value in use.

use super::error::{DecodeError, StreamPart};
use crate::checksum::Checksum;
use crate::frequencies::Frequencies;

/// The length of the longest table: a bitmap, 256 numbers of two bytes, three of which may take a third, and a
/// checksum.
pub const TABLE_LENGTH: usize = 32 + 2 * 256 + 3 + 4;

/// Writes frequencies as a table and returns its length.
pub fn write_table(frequencies: &Frequencies, output: &mut [u8; TABLE_LENGTH]) -> usize {
    let mut checksum = Checksum::new();
    let mut length = 0;
    let mut put = |byte: u8| {
        if let Some(place) = output.get_mut(length) {
            *place = byte;
            length += 1;
        }
    };
    let excess = |byte| frequencies.count(byte) - u32::from(Frequencies::MINIMUM);
    for first in (0..=255u8).step_by(8) {
        let bits = (0..8).fold(0, |bits, bit| bits | u8::from(excess(first + bit) > 0) << bit);
        checksum.update(&[bits]);
        put(bits);
    }
    for mut value in (0..=255).map(excess).filter(|&value| value > 0) {
        while value > 0 {
            let more = value > 0x7f;
            let byte = value as u8 & 0x7f | u8::from(more) << 7;
            checksum.update(&[byte]);
            put(byte);
            value >>= 7;
        }
    }
    checksum.value().to_le_bytes().into_iter().for_each(put);
    length
}

/// Reads the table at the start of `input`, and returns the frequencies and the length of the table.
///
/// # Errors
/// The table is cut short, damaged or not valid.
pub fn parse_table(input: &[u8]) -> Result<(Frequencies, usize), DecodeError> {
    let mut reader = TableReader::new();
    for (length, &byte) in (1..).zip(input) {
        if let Some(frequencies) = reader.feed(byte)? {
            return Ok((frequencies, length));
        }
    }
    Err(DecodeError::Truncated { part: StreamPart::Table, block: 0 })
}

/// Reads a table byte by byte.
#[derive(Clone, Debug)]
pub(super) struct TableReader {
    bitmap: [u8; 32],
    counts: [u16; 256],
    step: Step,
    checksum: Checksum,
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Bitmap {
        position: u8,
    },
    /// A number of which `shift` bits have been added to the count.
    Count {
        byte: u8,
        shift: u32,
    },
    Checksum {
        position: u8,
        value: u32,
    },
}

impl TableReader {
    pub(super) fn new() -> Self {
        Self {
            bitmap: [0; 32],
            counts: [Frequencies::MINIMUM; 256],
            step: Step::Bitmap { position: 0 },
            checksum: Checksum::new(),
        }
    }

    /// Takes a byte. The last one returns the frequencies.
    pub(super) fn feed(&mut self, input: u8) -> Result<Option<Frequencies>, DecodeError> {
        if !matches!(self.step, Step::Checksum { .. }) {
            self.checksum.update(&[input]);
        }
        self.step = match self.step {
            Step::Bitmap { position } => {
                if let Some(place) = self.bitmap.get_mut(usize::from(position)) {
                    *place = input;
                }
                if position < 31 { Step::Bitmap { position: position + 1 } } else { self.count_from(Some(0)) }
            }
            Step::Count { byte, shift } => {
                let part = u32::from(input & 0x7f);
                // Only the shortest form is accepted, and only counts below 2^16.
                let count = u32::from(self.counts[usize::from(byte)]) + (part << shift);
                let (last, empty) = (input < 0x80, input == 0);
                if empty || shift > 14 || count > u32::from(u16::MAX) {
                    return Err(DecodeError::TableCount { byte });
                }
                self.counts[usize::from(byte)] = count as u16;
                if last { self.count_from(byte.checked_add(1)) } else { Step::Count { byte, shift: shift + 7 } }
            }
            Step::Checksum { position, value } => {
                let value = value | u32::from(input) << (8 * u32::from(position));
                if position == 3 {
                    return self.finish(value).map(Some);
                }
                Step::Checksum { position: position + 1, value }
            }
        };
        Ok(None)
    }

    /// The step for the first byte at or after `first` whose bit is set.
    fn count_from(&self, first: Option<u8>) -> Step {
        let is_set = |byte: &u8| self.bitmap[usize::from(byte / 8)] >> (byte % 8) & 1 == 1;
        match first.and_then(|first| (first..=255).find(is_set)) {
            Some(byte) => Step::Count { byte, shift: 0 },
            None => Step::Checksum { position: 0, value: 0 },
        }
    }

    fn finish(&self, expected: u32) -> Result<Frequencies, DecodeError> {
        let found = self.checksum.value();
        if expected != found {
            return Err(DecodeError::TableChecksum { expected, found });
        }
        Frequencies::from_counts(&self.counts).map_err(DecodeError::Table)
    }
}
