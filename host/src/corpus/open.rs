//! Opens a file as a stream of its text, however it is compressed.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Cursor, ErrorKind, Read};
use std::path::Path;

use flate2::bufread::GzDecoder;

use super::error::CorpusError;

const BUFFER: usize = 1 << 18;

/// What some editors put before a text in UTF-8 (U+FEFF, the byte order mark), which is none of the text.
const MARK: [u8; 3] = [0xef, 0xbb, 0xbf];

/// How a file is compressed.
#[derive(Clone, Copy)]
pub enum Compression {
    None,
    Gzip,
    Zstd,
    Xz,
}

impl Compression {
    /// By the end of the file's name.
    pub fn of(path: &Path) -> Self {
        let extension = path.extension().and_then(|extension| extension.to_str()).map(str::to_ascii_lowercase);
        match extension.as_deref() {
            Some("gz") => Self::Gzip,
            Some("zst") => Self::Zstd,
            Some("xz") => Self::Xz,
            _ => Self::None,
        }
    }
}

/// The text of gzip members that follow each other. Zeros after them, which tapes and block devices leave there, are
/// passed over; anything else is an error.
struct Members<R> {
    /// `None`: the last member has ended.
    member: Option<GzDecoder<R>>,
}

impl<R: BufRead> Members<R> {
    fn new(raw: R) -> Self {
        Self { member: Some(GzDecoder::new(raw)) }
    }
}

impl<R: BufRead> Read for Members<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while let Some(member) = &mut self.member {
            let read = member.read(buffer)?;
            if read > 0 || buffer.is_empty() {
                return Ok(read);
            }
            let Some(mut raw) = self.member.take().map(GzDecoder::into_inner) else { break };
            let next = loop {
                let rest = raw.fill_buf()?;
                match rest.iter().position(|&byte| byte != 0) {
                    Some(zeros) => {
                        let next = rest[zeros];
                        raw.consume(zeros);
                        break Some(next);
                    }
                    None if rest.is_empty() => break None,
                    None => {
                        let zeros = rest.len();
                        raw.consume(zeros);
                    }
                }
            };
            match next {
                // The first byte of a member.
                Some(0x1f) => self.member = Some(GzDecoder::new(raw)),
                Some(_) => return Err(io::Error::new(ErrorKind::InvalidData, "what follows the gzip data is none")),
                None => {}
            }
        }
        Ok(0)
    }
}

/// Opens `path`, undoing gzip (`.gz`), zstd (`.zst`) or xz (`.xz`), including concatenated members. A byte order mark
/// at the beginning is left out.
///
/// # Errors
/// The file cannot be opened, or its beginning not be read.
pub fn open_text(path: &Path) -> Result<BufReader<Box<dyn Read + Send>>, CorpusError> {
    let file = File::open(path).map_err(CorpusError::system(path, "open"))?;
    let raw = BufReader::with_capacity(BUFFER, file);
    let mut text: Box<dyn Read + Send> = match Compression::of(path) {
        Compression::Gzip => Box::new(Members::new(raw)),
        Compression::Zstd => {
            let mut decoder =
                zstd::Decoder::with_buffer(raw).map_err(CorpusError::system(path, "start the zstd decoder"))?;
            // Long-distance archives of corpora use windows of up to 2 GiB, which zstd rejects by default.
            decoder.window_log_max(31).map_err(CorpusError::system(path, "allow such windows of zstd"))?;
            Box::new(decoder)
        }
        Compression::Xz => Box::new(liblzma::bufread::XzDecoder::new_multi_decoder(raw)),
        Compression::None => Box::new(raw),
    };
    let mut beginning = Vec::with_capacity(MARK.len());
    let read = (&mut text).take(MARK.len() as u64).read_to_end(&mut beginning);
    read.map_err(CorpusError::system(path, "read"))?;
    if beginning == MARK {
        beginning.clear();
    }
    Ok(BufReader::with_capacity(BUFFER, Box::new(Cursor::new(beginning).chain(text))))
}
