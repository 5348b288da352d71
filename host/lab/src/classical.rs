//! The general-purpose compressors that ours is compared with, at the settings their users would choose for size.

use std::io::{self, Write};
use std::process::{Command, Stdio};

use flate2::Compression;

use crate::{LabError, Result};

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
        self.try_size(text).map_err(failed(self.name()))
    }

    fn try_size(self, text: &[u8]) -> io::Result<usize> {
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

/// A compressor that is run as a program, where it is installed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Program {
    /// bzip3, blocks of up to 511 MiB.
    Bzip3,
    /// PPMd as 7z has it, order 32 with 1 GiB of memory.
    Ppmd,
    /// zpaq, method 5.
    Zpaq,
}

impl Program {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Bzip3, Self::Ppmd, Self::Zpaq];

    /// The row's name: the program and its options.
    pub fn name(self) -> &'static str {
        match self {
            Self::Bzip3 => "bzip3 -b 511",
            Self::Ppmd => "7z ppmd",
            Self::Zpaq => "zpaq -m5",
        }
    }

    /// What it is called as, if it can be run: packages differ in how they call 7z.
    fn command(self) -> Option<&'static str> {
        let names: &[&str] = match self {
            Self::Bzip3 => &["bzip3"],
            Self::Ppmd => &["7z", "7zz"],
            Self::Zpaq => &["zpaq"],
        };
        let is_there = |name: &str| {
            let mut command = Command::new(name);
            command.arg("--help").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok()
        };
        names.iter().copied().find(|name| is_there(name))
    }

    /// Whether it can be run.
    pub fn is_installed(self) -> bool {
        self.command().is_some()
    }

    /// The compressed size of `text` in bytes; of an archive's, the archive's.
    ///
    /// # Errors
    /// The program fails, or a file for it cannot be written.
    pub fn size(self, text: &[u8]) -> Result<usize> {
        self.try_size(text).map_err(failed(self.name()))
    }

    fn try_size(self, text: &[u8]) -> io::Result<usize> {
        let directory = tempfile::tempdir()?;
        let input = directory.path().join("text");
        std::fs::write(&input, text)?;
        let options: &[&str] = match self {
            Self::Bzip3 => &["-e", "-k", "-b", "511", "text", "text.bz3"],
            Self::Ppmd => &["a", "-bd", "-m0=ppmd:o=32:mem=1g", "text.7z", "text"],
            Self::Zpaq => &["add", "text.zpaq", "text", "-m5", "-t1"],
        };
        let mut command = Command::new(self.command().ok_or(io::ErrorKind::NotFound)?);
        let run = command.args(options).current_dir(directory.path()).stdin(Stdio::null()).output()?;
        if !run.status.success() {
            return Err(io::Error::other(String::from_utf8_lossy(&run.stderr).into_owned()));
        }
        let output = match self {
            Self::Bzip3 => "text.bz3",
            Self::Ppmd => "text.7z",
            Self::Zpaq => "text.zpaq",
        };
        Ok(std::fs::metadata(directory.path().join(output))?.len() as usize)
    }
}

/// `zstd -19` with a dictionary trained on samples. Frames carry neither magic, size, checksum nor dictionary id: both
/// sides know them.
pub struct ZstdWithDictionary {
    dictionary: Vec<u8>,
}

impl ZstdWithDictionary {
    /// Trains the dictionary.
    ///
    /// # Errors
    /// Too few samples for zstd's trainer.
    pub fn train<S: AsRef<[u8]>>(samples: &[S]) -> Result<Self> {
        let dictionary = zstd::dict::from_samples(samples, DICTIONARY_SIZE).map_err(LabError::Dictionary)?;
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
    pub fn compressor(&self) -> Result<DictionaryCompressor> {
        let compressor = || {
            let mut compressor = zstd::bulk::Compressor::with_dictionary(19, &self.dictionary)?;
            compressor.include_magicbytes(false)?;
            compressor.include_contentsize(false)?;
            compressor.include_dictid(false)?;
            compressor.include_checksum(false)?;
            Ok(compressor)
        };
        Ok(DictionaryCompressor(compressor().map_err(failed(WITH_DICTIONARY))?))
    }
}

/// How rows call zstd with a dictionary.
pub const WITH_DICTIONARY: &str = "zstd -19 with dictionary";

/// The compressor of [`ZstdWithDictionary::compressor`].
pub struct DictionaryCompressor(zstd::bulk::Compressor<'static>);

impl DictionaryCompressor {
    /// The compressed size of `text` in bytes.
    ///
    /// # Errors
    /// zstd fails, which it does not on memory.
    pub fn size(&mut self, text: &[u8]) -> Result<usize> {
        Ok(self.0.compress(text).map_err(failed(WITH_DICTIONARY))?.len())
    }
}

fn failed(compressor: &'static str) -> impl Fn(io::Error) -> LabError {
    move |source| LabError::Compressor { compressor, source }
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
        let with = compressor.size(message).expect("compresses");
        assert!(with < Classical::Zstd.size(message).expect("compresses"));
        assert!(trained.dictionary_size() <= DICTIONARY_SIZE);
    }
}
