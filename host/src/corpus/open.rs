//! Opening a file as a stream of its text, whatever it is compressed with.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

use anyhow::{Context, Result};

const BUFFER: usize = 1 << 18;

/// Opens `path`, undoing gzip (`.gz`), zstd (`.zst`) or xz (`.xz`), concatenated members included.
///
/// # Errors
/// The file cannot be opened.
pub fn open_text(path: &Path) -> Result<BufReader<Box<dyn Read + Send>>> {
    let file = File::open(path).with_context(|| format!("{}: cannot open", path.display()))?;
    let compression = path.extension().and_then(|extension| extension.to_str()).map(str::to_ascii_lowercase);
    let raw = BufReader::with_capacity(BUFFER, file);
    let text: Box<dyn Read + Send> = match compression.as_deref() {
        Some("gz") => Box::new(flate2::bufread::MultiGzDecoder::new(raw)),
        Some("zst") => {
            let mut decoder = zstd::Decoder::with_buffer(raw)
                .with_context(|| format!("{}: cannot start the zstd decoder", path.display()))?;
            // Long-distance archives of corpora use windows up to 2 GiB; zstd's own default refuses them.
            decoder.window_log_max(31).with_context(|| format!("{}: zstd window", path.display()))?;
            Box::new(decoder)
        }
        Some("xz") => Box::new(liblzma::bufread::XzDecoder::new_multi_decoder(raw)),
        _ => Box::new(raw),
    };
    Ok(BufReader::with_capacity(BUFFER, text))
}
