//! The general-purpose compressors that ours is compared with, at the settings their users would choose for size.

use anyhow::{Context, Result};
use flate2::Compression;
use std::io::Write;

/// Size of the trained dictionaries: zstd's own default of 110 KiB.
pub const DICTIONARY_SIZE: usize = 112_640;

/// A compressor of the comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Classical {
    /// Deflate, level 9, without header or checksum.
    Deflate,
    /// Deflate, level 9, as a `.gz` file.
    Gzip,
    /// LZMA2, preset 9 extreme, as an `.xz` file.
    Xz,
    /// Zstandard, level 19, one frame.
    Zstd,
    /// Brotli, quality 11, window 24.
    Brotli,
}

impl Classical {
    /// The row's name: the program and its options.
    pub fn name(self) -> &'static str {
        match self {
            Self::Deflate => "deflate -9 (raw)",
            Self::Gzip => "gzip -9",
            Self::Xz => "xz -9e",
            Self::Zstd => "zstd -19",
            Self::Brotli => "brotli -q 11",
        }
    }

    /// The compressed size of `text` in bytes.
    ///
    /// # Errors
    /// The library fails, which none of them does on memory.
    pub fn size(self, text: &[u8]) -> Result<usize> {
        let size = match self {
            Self::Deflate => {
                let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), Compression::best());
                encoder.write_all(text)?;
                encoder.finish()?.len()
            }
            Self::Gzip => {
                let mut encoder = flate2::write::GzEncoder::new(Vec::new(), Compression::best());
                encoder.write_all(text)?;
                encoder.finish()?.len()
            }
            Self::Xz => {
                // The flag LZMA_PRESET_EXTREME of liblzma, the `e` of `xz -9e`.
                const EXTREME: u32 = 1 << 31;
                let mut encoder = liblzma::write::XzEncoder::new(Vec::new(), 9 | EXTREME);
                encoder.write_all(text)?;
                encoder.finish()?.len()
            }
            Self::Zstd => zstd::bulk::compress(text, 19)?.len(),
            Self::Brotli => {
                let mut out = Vec::new();
                let parameters = brotli::enc::BrotliEncoderParams {
                    quality: 11,
                    lgwin: 24,
                    size_hint: text.len(),
                    ..Default::default()
                };
                brotli::BrotliCompress(&mut &text[..], &mut out, &parameters)?;
                out.len()
            }
        };
        Ok(size)
    }
}

/// `zstd -19` with a dictionary trained on samples. Frames carry neither magic, size, checksum nor dictionary id: both sides know them.
pub struct ZstdWithDictionary {
    dictionary: Vec<u8>,
}

impl ZstdWithDictionary {
    /// Trains the dictionary.
    ///
    /// # Errors
    /// Too few samples for zstd's trainer.
    pub fn train<S: AsRef<[u8]>>(samples: &[S]) -> Result<Self> {
        let dictionary = zstd::dict::from_samples(samples, DICTIONARY_SIZE)
            .context("zstd cannot train a dictionary on so little text; give it more samples")?;
        Ok(Self { dictionary })
    }

    /// The size of the dictionary, which the decoder must hold.
    pub fn dictionary_size(&self) -> usize {
        self.dictionary.len()
    }

    /// A compressor with this dictionary; reuse it for many messages.
    ///
    /// # Errors
    /// zstd refuses the dictionary.
    pub fn compressor(&self) -> Result<zstd::bulk::Compressor<'static>> {
        let mut compressor = zstd::bulk::Compressor::with_dictionary(19, &self.dictionary)?;
        compressor.include_magicbytes(false)?;
        compressor.include_contentsize(false)?;
        compressor.include_dictid(false)?;
        compressor.include_checksum(false)?;
        Ok(compressor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_compressor_shrinks_repetition() {
        let text = b"equal information in every window, ".repeat(100);
        for compressor in [Classical::Deflate, Classical::Gzip, Classical::Xz, Classical::Zstd, Classical::Brotli] {
            let size = compressor.size(&text).expect("compresses");
            assert!(size > 0 && size < text.len() / 5, "{}: {size}", compressor.name());
        }
    }

    #[test]
    fn a_dictionary_pays_on_short_messages() {
        let samples: Vec<String> = (0..2000)
            .map(|number| format!("{{\"device\":\"esp32-{number:04x}\",\"uptime\":{}}}", number * 7919))
            .collect();
        let trained = ZstdWithDictionary::train(&samples).expect("enough samples");
        let mut compressor = trained.compressor().expect("usable dictionary");
        let message = b"{\"device\":\"esp32-ffff\",\"uptime\":123}";
        let with = compressor.compress(message).expect("compresses").len();
        assert!(with < Classical::Zstd.size(message).expect("compresses"));
        assert!(trained.dictionary_size() <= DICTIONARY_SIZE);
    }
}
