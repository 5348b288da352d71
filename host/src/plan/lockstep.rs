//! Several texts in lockstep on one thread: a byte of each in turn, so that the model runs them all at once and reads
//! each weight once.
//!
//! What codes is the codec itself, a byte at a time; only the model is another: a `Lane` of a [`Lockstep`]. When the
//! first text asks for frequencies, the bytes that all of them have pushed since are run together. So bits and errors
//! are those of texts coded one after the other.

use equalinfo_codec::container::{self, BlockDecoder, BlockHeader, BlockKind, Header};
use equalinfo_codec::container::{DecodeError, StreamPart};
use equalinfo_codec::{ByteModel, Frequencies, WindowBits};

use crate::engine::Lockstep;
use crate::windows::{Cutter, Encoding, Segments};

/// Texts in lockstep: the rows of a tile of AMX. Half as many would do for other instructions.
pub const LANES: usize = 16;

/// Text of a group of blocks, unless it is one.
const GROUP: usize = 4 << 20;

/// Blocks of this size that a thread is given at once: fewer of large ones, so that memory stays bounded.
pub fn group(block_size: u32) -> usize {
    (GROUP / block_size.max(1) as usize).clamp(1, LANES)
}

/// One stream of a batch.
struct Lane<'a> {
    batch: &'a mut Lockstep,
    lane: usize,
}

impl ByteModel for Lane<'_> {
    fn reset(&mut self) {
        self.batch.reset(self.lane);
    }

    fn frequencies(&mut self) -> &Frequencies {
        self.batch.frequencies(self.lane)
    }

    fn push(&mut self, byte: u8) {
        self.batch.push(self.lane, byte);
    }
}

/// Runs jobs on the lanes of a batch: `step` takes one a byte further, and says when it is done; then the next one has
/// its lane.
fn run<J>(batch: &mut Lockstep, jobs: &mut [J], mut step: impl FnMut(&mut Lane, &mut J) -> bool) {
    let mut waiting = jobs.iter_mut();
    let mut lanes: Vec<(usize, &mut J)> = (0..LANES).zip(waiting.by_ref().take(LANES)).collect();
    while !lanes.is_empty() {
        lanes.retain_mut(|(lane, job)| {
            let mut model = Lane { batch: &mut *batch, lane: *lane };
            while step(&mut model, job) {
                let Some(next) = waiting.next() else { return false };
                *job = next;
            }
            true
        });
    }
}

/// A block on its way.
struct Decoding<'a> {
    header: BlockHeader,
    payload: &'a [u8],
    decoder: Option<BlockDecoder>,
    text: Vec<u8>,
    written: usize,
    result: Result<(), DecodeError>,
}

impl Decoding<'_> {
    /// Whether the text is complete, or will never be.
    fn step(&mut self, model: &mut Lane) -> bool {
        let Some(decoder) = &mut self.decoder else { return true };
        let Some(place) = self.text.get_mut(self.written..self.written + 1) else { return true };
        match decoder.decode(model, self.payload, place) {
            Ok(progress) => {
                self.payload = &self.payload[progress.consumed..];
                self.written += progress.written;
                let is_complete = self.written == self.text.len();
                let is_cut = is_complete && !decoder.is_done();
                if is_cut || progress.consumed + progress.written == 0 {
                    self.result = Err(DecodeError::Truncated { part: StreamPart::Payload, block: self.header.number });
                    return true;
                }
                is_complete
            }
            Err(error) => {
                self.result = Err(error);
                true
            }
        }
    }
}

/// What [`container::decode_block`] gives for each of these blocks. `batch` has [`LANES`] streams.
pub fn decode(
    batch: &mut Lockstep,
    header: &Header,
    blocks: &[(&BlockHeader, &[u8])],
) -> Vec<Result<Vec<u8>, DecodeError>> {
    let begun = blocks.iter().map(|&(block, payload)| {
        let mut text = vec![0; block.text_length as usize];
        let (decoder, result) = if block.kind == BlockKind::Stored {
            // Nobody asks the model.
            (
                None,
                container::decode_block(&mut Lane { batch: &mut *batch, lane: 0 }, header, block, payload, &mut text),
            )
        } else {
            match BlockDecoder::new(header, block) {
                Ok(decoder) => (Some(decoder), Ok(())),
                Err(error) => (None, Err(error)),
            }
        };
        Decoding { header: *block, payload, decoder, text, written: 0, result }
    });
    let mut jobs: Vec<Decoding> = begun.collect();
    run(batch, &mut jobs, |model, job| job.step(model));
    jobs.into_iter().map(|job| job.result.map(|()| job.text)).collect()
}

/// The windows of each text, as a [`Cutter`] makes them one after the other, until they have `wanted` bytes.
/// `batch` has [`LANES`] streams.
pub fn encode_windows(
    batch: &mut Lockstep,
    window: (WindowBits, Encoding),
    context: usize,
    wanted: usize,
    texts: &[&[u8]],
) -> Vec<Segments> {
    let mut jobs: Vec<Cutter> = texts.iter().map(|text| Cutter::new(window, context, wanted, text)).collect();
    run(batch, &mut jobs, |model, job| job.step(model));
    jobs.into_iter().map(Cutter::windows).collect()
}

#[cfg(test)]
mod tests {
    use equalinfo_codec::WindowCode;
    use equalinfo_codec::container::{Method, ModelIdentity, encode_block};

    use super::*;
    use crate::model::Model;

    const ALICE: &[u8] = include_bytes!("../../../tests/data/alice29.txt");
    const CONTEXT: usize = 48;
    const DEFAULT: (WindowBits, Encoding) = (WindowBits::B16, Encoding::Greedy(WindowCode::Default));

    fn nano() -> Model {
        Model::shipped("nano").unwrap()
    }

    /// Texts of many lengths, the first of one byte.
    fn texts(count: usize) -> Vec<&'static [u8]> {
        (0..count).map(|i| &ALICE[1000 * i..][..1 + i * i % 173 + 7 * (i % 5)]).collect()
    }

    fn header(method: Method) -> Header {
        let model = ModelIdentity::new(nano().id(), CONTEXT);
        Header::new(method, model, Default::default(), 1 << 16)
    }

    #[test]
    fn blocks_and_damage_are_those_of_the_codec() {
        let model = nano();
        let (mut batch, mut session) =
            (model.engine().lockstep(LANES, CONTEXT).unwrap(), model.session(CONTEXT).unwrap());
        let windows = |bits, code| Method::EqualInfo { bits, code };
        let methods = [
            Method::Ac,
            windows(WindowBits::B16, WindowCode::Default),
            windows(WindowBits::B64, WindowCode::Default),
            windows(WindowBits::B32, WindowCode::Delay),
        ];
        for (method, count) in methods.into_iter().zip([40, 40, 16, 3]) {
            let mut header = header(method);
            let mut blocks = Vec::new();
            for (number, text) in (0..).zip(texts(count)) {
                let mut bytes = vec![0; BlockHeader::LENGTH + text.len()];
                let block = encode_block(&mut session, &mut header, number, text, &mut bytes).unwrap();
                let mut payload = bytes[BlockHeader::LENGTH..][..block.payload_length as usize].to_vec();
                match number % 7 {
                    3 => payload[block.payload_length as usize / 2] ^= 0x10,
                    5 => payload.truncate(payload.len() - 1),
                    _ => {}
                }
                blocks.push((block, payload));
            }
            let alone = |(block, payload): &(BlockHeader, Vec<u8>)| {
                let mut text = vec![0; block.text_length as usize];
                container::decode_block(&mut session, &header, block, payload, &mut text).map(|()| text)
            };
            let expected: Vec<_> = blocks.iter().map(alone).collect();
            let given: Vec<_> = blocks.iter().map(|(block, payload)| (block, &payload[..])).collect();
            // Twice: what the first left in the lanes does not matter.
            for _ in 0..2 {
                assert_eq!(decode(&mut batch, &header, &given), expected, "{method:?}");
            }
            assert!(count < 10 || expected.iter().filter(|result| result.is_err()).count() > count / 5, "{method:?}");
            let intact = expected.iter().zip(texts(count)).filter(|(found, text)| found.as_deref() == Ok(*text));
            assert!(intact.count() >= count * 5 / 7, "{method:?}");
        }
    }

    #[test]
    fn windows_are_those_of_the_codec() {
        let model = nano();
        let (mut batch, mut session) =
            (model.engine().lockstep(LANES, CONTEXT).unwrap(), model.session(CONTEXT).unwrap());
        let (bits, codes) =
            ([WindowBits::B16, WindowBits::B24, WindowBits::B128], [WindowCode::Default, WindowCode::Delay]);
        for (bits, code) in bits.into_iter().flat_map(|bits| codes.map(|code| (bits, code))) {
            for count in [1, 37] {
                let alone = |text: &&[u8]| {
                    let (mut taken, mut windows) = (0, Segments::new(bits));
                    while taken < text.len() {
                        let window = equalinfo_codec::encode_window(&mut session, bits, code, CONTEXT, &text[taken..]);
                        windows.code.extend_from_slice(&window.value.to_be_bytes()[16 - bits.bytes()..]);
                        windows.lengths.push(window.consumed as u16);
                        taken += window.consumed;
                    }
                    windows
                };
                let texts = texts(count);
                let expected: Vec<Segments> = texts.iter().map(alone).collect();
                assert!(
                    encode_windows(&mut batch, (bits, Encoding::Greedy(code)), CONTEXT, usize::MAX, &texts) == expected,
                    "{bits:?}, {code:?}"
                );
            }
        }
        assert!(encode_windows(&mut batch, DEFAULT, CONTEXT, usize::MAX, &[]).is_empty());
        let none = encode_windows(&mut batch, DEFAULT, CONTEXT, usize::MAX, &[b""]);
        assert!(none[0].code.is_empty());
        let text = &ALICE[..5000];
        let all = encode_windows(&mut batch, DEFAULT, CONTEXT, usize::MAX, &[text]);
        let some = encode_windows(&mut batch, DEFAULT, CONTEXT, 99, &[text, &text[..3]]);
        assert!(
            some[0].code == all[0].code[..100] && some[0].lengths == all[0].lengths[..50] && !some[1].code.is_empty()
        );
    }
}
