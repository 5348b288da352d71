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

/// The source's bytes through `embedded-io-async`, which are only there when asked for the second time.
#[cfg(feature = "embedded-io-async")]
mod asynchronous {
    use super::*;
    use std::future::{Future, poll_fn};
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    struct Slow<'a> {
        source: Source<'a>,
        /// Polls that found nothing.
        waits: usize,
    }

    impl ErrorType for Slow<'_> {
        type Error = ErrorKind;
    }

    impl embedded_io_async::Read for Slow<'_> {
        async fn read(&mut self, output: &mut [u8]) -> Result<usize, ErrorKind> {
            let mut waited = false;
            let waits = &mut self.waits;
            poll_fn(|context| {
                if std::mem::replace(&mut waited, true) {
                    return Poll::Ready(());
                }
                *waits += 1;
                context.waker().wake_by_ref();
                Poll::Pending
            })
            .await;
            self.source.read(output)
        }
    }

    /// Polls until the future is ready.
    fn block_on<T>(future: impl Future<Output = T>) -> T {
        let mut future = pin!(future);
        let mut context = Context::from_waker(Waker::noop());
        loop {
            if let Poll::Ready(result) = future.as_mut().poll(&mut context) {
                return result;
            }
        }
    }

    #[test]
    fn text_and_errors_come_through_and_cancelled_reads_lose_nothing() {
        use embedded_io_async::Read as _;

        let mut model = HashModel::new(1, 200);
        let text = model.sample(&mut Random::new(1), 1000);
        let stream = write_stream(&mut model, &Header::new(Method::Ac, MODEL, ModelName::NONE, 300), &text);
        for (fails_at, end) in [(None, Ok(())), (Some(50), Err(ReadError::Source(ErrorKind::TimedOut)))] {
            let source = Slow { source: Source { bytes: &stream, piece: 5, fails_at }, waits: 0 };
            let mut reader = Reader::<_, _, 16>::new(source, Decoder::new(model.clone(), MODEL));
            let (mut delivered, mut piece) = (Vec::new(), [0; 7]);
            let result = loop {
                // A read that is given up after its first poll.
                let mut context = Context::from_waker(Waker::noop());
                let polled = pin!(reader.read(&mut piece)).poll(&mut context);
                if let Poll::Ready(Ok(length)) = polled {
                    delivered.extend_from_slice(&piece[..length]);
                }
                match block_on(reader.read(&mut piece)) {
                    Ok(0) => break Ok(()),
                    Ok(length) => delivered.extend_from_slice(&piece[..length]),
                    Err(error) => break Err(error),
                }
            };
            assert_eq!(result, end);
            assert!(if fails_at.is_none() { delivered == text } else { text.starts_with(&delivered) });
            assert!(reader.into_source().waits > stream.len() / 5 - 20);
        }
    }
}
