//! Streams by the tables of each class, alone and behind a model.

use equalinfo_codec::container::{Header, Method, ModelIdentity, ModelName};
use equalinfo_codec::m1::{M1, Model};
use equalinfo_codec::mix::{AnyTables, Class, WithTables};
use equalinfo_codec::{ByteModel, Uniform};

use super::model::{CONTEXT, Loops, Memory, TRACED};
use super::{Digest, Failure, PICO, Report, streams};

/// Lines of a log, in blocks that match from one line to the next, so that every kind of table is at work.
const LOG: &[u8] = b"12:00:01 pump 3: started, 41 l/min, 2.1 bar\n12:00:06 pump 3: 42 l/min, 2.1 bar\n\
    12:00:11 pump 3: 42 l/min, 2.2 bar\n12:00:16 door 1: opened \x00\xff\n12:00:21 pump 3: stopped, 0 l/min, 0.0 bar\n";
/// Some repetition of it, most of it an echo.
const REPEATED: usize = 4 * LOG.len();
const BLOCK_SIZE: u32 = 400;
/// Room for any stream.
const STREAM: usize = 1024;

/// The vectors of a class of tables without a model. `words` has room for [`Class::words`].
pub fn tables(class: Class, words: &mut [u32], report: &mut Report) {
    report(format_args!("tables of {class}: stream"), alone(class, words));
}

/// The vector of a class of tables behind a model, however it is implemented, which must have a context of [`CONTEXT`]
/// positions.
pub fn mix(name: &str, model: &mut impl ByteModel, id: u64, class: Class, words: &mut [u32], report: &mut Report) {
    let header = Header::new(Method::Mix(class), ModelIdentity::new(id, CONTEXT), ModelName::NONE, 48);
    let mut coder = WithTables::new(model, AnyTables::new(words));
    report(format_args!("{name} with tables of {class}: stream"), stream(&mut coder, &header, TRACED));
}

/// The vector of a class of tables behind pico, computed by the codec's own M1.
pub fn pico_with_tables(class: Class, words: &mut [u32], memory: &mut Memory, report: &mut Report) {
    let name = "pico";
    let loaded = match Model::load(PICO) {
        Ok(model) => model,
        Err(error) => return report(format_args!("{name}: model"), Err(error.into())),
    };
    match M1::<Loops>::with_kernels(&loaded, CONTEXT, &mut memory.bytes, &mut memory.words) {
        Ok(mut m1) => mix(name, &mut m1, loaded.id(), class, words, report),
        Err(error) => report(format_args!("{name}: memory"), Err(error.into())),
    }
}

/// A text in blocks, the last of them mostly echoes.
fn alone(class: Class, words: &mut [u32]) -> Result<Digest, Failure> {
    let mut text = [0; REPEATED];
    text.iter_mut().zip(LOG.iter().cycle()).for_each(|(place, &byte)| *place = byte);
    let header = Header::new(Method::Tables(class), ModelIdentity::default(), ModelName::NONE, BLOCK_SIZE);
    stream(&mut WithTables::new(Uniform, AnyTables::new(words)), &header, &text)
}

fn stream(
    coder: &mut WithTables<impl ByteModel, AnyTables<'_>>,
    header: &Header,
    text: &[u8],
) -> Result<Digest, Failure> {
    let mut stream = [0; STREAM];
    let length = streams::write(coder, header, text, 1, &mut stream)?;
    let stream = &stream[..length];
    streams::read(coder, header, stream, text)?;
    Ok(Digest::of(stream))
}
