//! [`Reader`]: a stream as a source of its text, for `embedded-io`.

use super::decoder::Decoder;
use crate::byte_model::ByteModel;
use crate::error::DecodeError;
use core::fmt;
use embedded_io::{Error, ErrorKind, ErrorType, Read};

/// Reads the text of the stream that `source` delivers, through a buffer of `BUFFER` bytes.
#[derive(Debug)]
pub struct Reader<R, M, const BUFFER: usize> {
    source: R,
    decoder: Decoder<M>,
    buffer: [u8; BUFFER],
    /// What of the buffer is still to be decoded.
    start: usize,
    end: usize,
}

/// Why reading failed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum ReadError<E> {
    /// The source failed.
    Source(E),
    /// The stream is damaged, incomplete, or another model's.
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

impl<R: Read, M: ByteModel, const BUFFER: usize> Reader<R, M, BUFFER> {
    /// Reads from `source` with a fresh decoder.
    pub fn new(source: R, decoder: Decoder<M>) -> Self {
        const { assert!(BUFFER > 0, "the buffer must hold at least a byte") };
        Self { source, decoder, buffer: [0; BUFFER], start: 0, end: 0 }
    }

    /// The decoder, for what it knows of the stream.
    pub fn decoder(&self) -> &Decoder<M> {
        &self.decoder
    }
}

impl<R: ErrorType, M, const BUFFER: usize> ErrorType for Reader<R, M, BUFFER> {
    type Error = ReadError<R::Error>;
}

impl<R: Read, M: ByteModel, const BUFFER: usize> Read for Reader<R, M, BUFFER> {
    fn read(&mut self, output: &mut [u8]) -> Result<usize, Self::Error> {
        if output.is_empty() {
            return Ok(0);
        }
        loop {
            let input = self.buffer.get(self.start..self.end).unwrap_or_default();
            let progress = self.decoder.decode(input, output).map_err(ReadError::Stream)?;
            self.start += progress.consumed;
            if progress.written > 0 || self.decoder.is_done() {
                return Ok(progress.written);
            }
            if self.start == self.end {
                self.start = 0;
                self.end = self.source.read(&mut self.buffer).map_err(ReadError::Source)?.min(BUFFER);
                if self.end == 0 {
                    self.decoder.finish().map_err(ReadError::Stream)?;
                    return Ok(0);
                }
            }
        }
    }
}
