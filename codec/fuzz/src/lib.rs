//! A small deterministic model for the fuzz targets, from nearly flat to nearly certain.

use equalinfo_codec::{ByteModel, Frequencies};

pub struct Model {
    sharpness: u8,
    previous: u8,
    frequencies: Frequencies,
}

impl Model {
    pub fn new(sharpness: u8) -> Self {
        Self { sharpness, previous: 0, frequencies: Frequencies::uniform() }
    }
}

impl ByteModel for Model {
    fn reset(&mut self) {
        self.previous = 0;
    }

    fn frequencies(&mut self) -> &Frequencies {
        let (sharpness, previous) = (u32::from(self.sharpness), self.previous);
        self.frequencies.set_weights(|byte| {
            let distance = u32::from(byte.wrapping_sub(previous).wrapping_mul(29)) * sharpness / 64;
            0xffffu16.checked_shr(distance).unwrap_or(0)
        });
        &self.frequencies
    }

    fn push(&mut self, byte: u8) {
        self.previous = byte;
    }
}
