//! Measures what takes no model: a lexicon, and tables that learn. It is no example: see the others for those.
#![no_std]
#![no_main]

use equalinfo_codec::Uniform;
use equalinfo_codec::container::{Decoder, Header, Method, ModelIdentity, ModelName, encode_stream};
use equalinfo_codec::lexicon::Lexicon;
#[cfg(not(feature = "microbit"))]
use equalinfo_codec::mix::Kib16;
#[cfg(feature = "mps2-an386")]
use equalinfo_codec::mix::Kib64;
use equalinfo_codec::mix::{Class, Kib4, OneClass, Shape, WithTables};
use equalinfo_codec::strings::StringTable;
use equalinfo_firmware_example::functions::{STREAMED, decode, same};
use equalinfo_firmware_example::measure::function;
use equalinfo_firmware_example::{Failure, entry, run};
use static_cell::ConstStaticCell;

const LEXICON: &[u8] = include_bytes!("../../generated/nano.lex");
const OF_LEXICON: &[u8] = include_bytes!(concat!(env!("STREAMS"), "/lexicon.eqi"));
const STRINGS: &[u8] = include_bytes!("../../generated/strings-lexicon.eqt");
/// A text of the string table.
const TEXT: u16 = 7;

/// The largest class that the board has memory for.
const LARGEST: Class = if cfg!(feature = "microbit") {
    Class::Kib4
} else if cfg!(feature = "mps2-an386") {
    Class::Kib64
} else {
    Class::Kib16
};

static WORDS: ConstStaticCell<[u32; LARGEST.words()]> = ConstStaticCell::new([0; _]);
static STREAM: ConstStaticCell<[u8; 2048]> = ConstStaticCell::new([0; _]);

#[entry]
fn main() -> ! {
    run(measure)
}

fn measure() -> Result<(), Failure> {
    let words = WORDS.try_take().ok_or(Failure::MemoryInUse)?;
    let stream = STREAM.try_take().ok_or(Failure::MemoryInUse)?;

    function("Lexicon::load_trusting", 0, || Lexicon::load_trusting(LEXICON).map(|_| ()))?;
    let lexicon = function("Lexicon::load", 0, || Lexicon::load(LEXICON))?;
    function("Lexicon::stream", STREAMED.len(), || -> Result<(), Failure> {
        let mut length = 0usize;
        for byte in lexicon.stream(OF_LEXICON)? {
            byte?;
            length = length.wrapping_add(1);
        }
        same(length, STREAMED.len())
    })?;
    let table = StringTable::load(STRINGS)?;
    let mut text = [0; 128];
    let expected = table.get(&mut lexicon.clone(), 0, TEXT, &mut text)?.len();
    function("StringTable::get, by a lexicon", expected, || -> Result<(), Failure> {
        same(table.get(&mut lexicon.clone(), 0, TEXT, &mut text)?.len(), expected)
    })?;

    class::<Kib4>(["encode_stream, tables 4k", "Decoder::decode, tables 4k"], words, stream)?;
    #[cfg(not(feature = "microbit"))]
    class::<Kib16>(["encode_stream, tables 16k", "Decoder::decode, tables 16k"], words, stream)?;
    #[cfg(feature = "mps2-an386")]
    class::<Kib64>(["encode_stream, tables 64k", "Decoder::decode, tables 64k"], words, stream)?;
    Ok(())
}

/// Encodes a text with the tables of a class, and decodes it.
fn class<S: Shape>(names: [&str; 2], words: &mut [u32], stream: &mut [u8]) -> Result<(), Failure> {
    let header = Header::new(Method::Tables(S::CLASS), ModelIdentity::default(), ModelName::NONE, 4096);
    let mut length = 0;
    function(names[0], STREAMED.len(), || -> Result<(), Failure> {
        let mut coder = WithTables::new(Uniform, OneClass::<S>::new(&mut *words)?);
        length = encode_stream(&mut coder, &header, STREAMED, stream).map_err(|_| Failure::Different)?;
        Ok(())
    })?;
    let stream = stream.get(..length).unwrap_or_default();
    function(names[1], STREAMED.len(), || -> Result<(), Failure> {
        let coder = WithTables::new(Uniform, OneClass::<S>::new(&mut *words)?);
        same(decode(&mut Decoder::new(coder, ModelIdentity::default()), stream)?, STREAMED.len())
    })
}
