//! The `embedded-io` reader: text from any source through small buffers, and errors of both kinds.
#![cfg(feature = "embedded-io")]

mod common;

use common::{HashModel, Random, write_stream};
use embedded_io::{Error, ErrorKind, ErrorType, Read};
use equalinfo_codec::container::{DecodeError, StreamPart};
use equalinfo_codec::container::{Decoder, Header, Method, ModelIdentity, ModelName, ReadError, Reader};

const MODEL: ModelIdentity = ModelIdentity { id: 3, context: 64 };

/// Delivers a few bytes at a time, and fails once `fails_at` bytes are left.
struct Source<'a> {
    bytes: &'a [u8],
    piece: usize,
    fails_at: Option<usize>,
}

impl ErrorType for Source<'_> {
    type Error = ErrorKind;
}

impl Read for Source<'_> {
    fn read(&mut self, output: &mut [u8]) -> Result<usize, ErrorKind> {
        if self.fails_at.is_some_and(|left| self.bytes.len() <= left) {
            return Err(ErrorKind::TimedOut);
        }
        let length = self.piece.min(output.len()).min(self.bytes.len());
        let (piece, rest) = self.bytes.split_at(length);
        output[..length].copy_from_slice(piece);
        self.bytes = rest;
        Ok(length)
    }
}

fn read(model: &HashModel, source: Source) -> (Vec<u8>, Result<(), ReadError<ErrorKind>>) {
    let mut reader = Reader::<_, _, 16>::new(source, Decoder::new(model.clone(), MODEL));
    let (mut text, mut piece) = (Vec::new(), [0; 7]);
    loop {
        match reader.read(&mut piece) {
            Ok(0) => return (text, Ok(())),
            Ok(length) => text.extend_from_slice(&piece[..length]),
            Err(error) => return (text, Err(error)),
        }
    }
}

#[test]
fn text_and_errors_come_through() {
    let mut model = HashModel::new(1, 200);
    let text = model.sample(&mut Random::new(1), 1000);
    let stream = write_stream(&mut model, &Header::new(Method::Ac, MODEL, ModelName::NONE, 300), &text);
    for piece in [1, 5, 100] {
        assert_eq!(read(&model, Source { bytes: &stream, piece, fails_at: None }), (text.clone(), Ok(())));
    }
    let cut = Source { bytes: &stream[..stream.len() - 1], piece: 5, fails_at: None };
    let truncated = ReadError::Stream(DecodeError::Truncated { part: StreamPart::Index, block: 4 });
    assert_eq!(read(&model, cut), (text.clone(), Err(truncated)));
    assert_eq!(truncated.kind(), ErrorKind::InvalidData);
    let failing = Source { bytes: &stream, piece: 5, fails_at: Some(50) };
    let (delivered, end) = read(&model, failing);
    assert!(text.starts_with(&delivered));
    assert_eq!(end, Err(ReadError::Source(ErrorKind::TimedOut)));
    assert_eq!(end.unwrap_err().kind(), ErrorKind::TimedOut);
    let noise = Source { bytes: b"no stream at all", piece: 5, fails_at: None };
    assert_eq!(read(&model, noise).1, Err(ReadError::Stream(DecodeError::Magic { found: *b"no s" })));
}
