//! [`Reader`]: the text of a stream as an `embedded-io` or `embedded-io-async` source.
//!
//! Invariant: the end of the text is only reported once the stream has turned out to be complete and intact.

use super::decoder::Decoder;
use super::error::DecodeError;
use crate::mix::Coder;
use core::fmt;
use embedded_io::{Error, ErrorKind, ErrorType, Read};

/// Reads the text of the stream that `source` delivers, through a buffer of `BUFFER` bytes.
///
/// With the feature `embedded-io-async` it reads a source that is `embedded_io_async::Read` as such. Nothing is lost
/// when a read is cancelled, unless the source itself loses something; between two waits a piece of `BUFFER` bytes at
/// most is decoded, which takes as long as the model takes for its text.
///
/// ```
/// use embedded_io::Read;
/// use equalinfo_codec::container::{Decoder, Header, Method, ModelIdentity, Reader, encode_stream};
/// use equalinfo_codec::Uniform;
///
/// let header = Header::new(Method::StaticAc, ModelIdentity::default(), Default::default(), 4096);
/// let mut stream = [0; 200];
/// let length = encode_stream(&mut Uniform, &header, b"ababababab", &mut stream)?;
///
/// let mut reader = Reader::<_, _, 16>::new(&stream[..length], Decoder::new(Uniform, header.model));
/// let mut text = [0; 10];
/// reader.read_exact(&mut text).expect("an intact stream");
/// assert_eq!(&text, b"ababababab");
/// assert_eq!(reader.read(&mut [0]).expect("its end"), 0);
/// # Ok::<(), Box<dyn core::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Reader<R, C, const BUFFER: usize> {
    source: R,
    decoder: Decoder<C>,
    buffer: [u8; BUFFER],
    /// The part of the buffer from `start` to `end` has not been decoded.
    start: usize,
    end: usize,
}

/// Reading failed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum ReadError<E> {
    /// The source failed.
    Source(E),
    /// The stream is damaged, incomplete or written with a different model.
    Stream(DecodeError),
}

impl<E: fmt::Display> fmt::Display for ReadError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Source(error) => error.fmt(f),
            Self::Stream(error) => error.fmt(f),
        }
    }
}

impl<E: fmt::Debug + fmt::Display> core::error::Error for ReadError<E> {}

impl<E: Error> Error for ReadError<E> {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Source(error) => error.kind(),
            Self::Stream(_) => ErrorKind::InvalidData,
        }
    }
}

impl<R: ErrorType, C: Coder, const BUFFER: usize> Reader<R, C, BUFFER> {
    /// A reader of `source` with a decoder that has not decoded anything.
    pub fn new(source: R, decoder: Decoder<C>) -> Self {
        const { assert!(BUFFER > 0, "the buffer must hold at least one byte") };
        Self { source, decoder, buffer: [0; BUFFER], start: 0, end: 0 }
    }

    /// The decoder, which knows the header and the totals of the stream.
    pub fn decoder(&self) -> &Decoder<C> {
        &self.decoder
    }

    /// Returns the source. What has been read of it but not decoded is lost.
    pub fn into_source(self) -> R {
        self.source
    }
}

impl<R: ErrorType, C, const BUFFER: usize> ErrorType for Reader<R, C, BUFFER> {
    type Error = ReadError<R::Error>;
}

/// What [`Reader::advance`] came to.
enum Step {
    /// So many bytes of text, none at the end.
    Text(usize),
    /// The buffer has been decoded.
    Empty,
}

impl<R: ErrorType, C: Coder, const BUFFER: usize> Reader<R, C, BUFFER> {
    /// Decodes what is in the buffer.
    fn advance(&mut self, output: &mut [u8]) -> Result<Step, ReadError<R::Error>> {
        if output.is_empty() {
            return Ok(Step::Text(0));
        }
        loop {
            let input = self.buffer.get(self.start..self.end).unwrap_or_default();
            let progress = self.decoder.decode(input, output).map_err(ReadError::Stream)?;
            self.start += progress.consumed;
            if progress.written > 0 || self.decoder.is_done() {
                return Ok(Step::Text(progress.written));
            }
            if self.start == self.end {
                (self.start, self.end) = (0, 0);
                return Ok(Step::Empty);
            }
        }
    }

    /// Takes note of what the source has put into the buffer; at its end the stream must have ended too.
    fn filled(&mut self, count: usize) -> Result<(), ReadError<R::Error>> {
        self.end = count.min(BUFFER);
        if count == 0 { self.decoder.finish().map_err(ReadError::Stream) } else { Ok(()) }
    }
}

impl<R: Read, C: Coder, const BUFFER: usize> Read for Reader<R, C, BUFFER> {
    fn read(&mut self, output: &mut [u8]) -> Result<usize, Self::Error> {
        loop {
            if let Step::Text(count) = self.advance(output)? {
                return Ok(count);
            }
            let count = self.source.read(&mut self.buffer).map_err(ReadError::Source)?;
            self.filled(count)?;
            if count == 0 {
                return Ok(0);
            }
        }
    }
}

#[cfg(feature = "embedded-io-async")]
impl<R: embedded_io_async::Read, C: Coder, const BUFFER: usize> embedded_io_async::Read for Reader<R, C, BUFFER> {
    async fn read(&mut self, output: &mut [u8]) -> Result<usize, Self::Error> {
        loop {
            if let Step::Text(count) = self.advance(output)? {
                return Ok(count);
            }
            let count = self.source.read(&mut self.buffer).await.map_err(ReadError::Source)?;
            self.filled(count)?;
            if count == 0 {
                return Ok(0);
            }
        }
    }
}
