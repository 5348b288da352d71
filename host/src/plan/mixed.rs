//! Blocks by the adaptive layer: whichever of model and tables together, tables alone, or the model alone is shortest.

use equalinfo_codec::container::BlockKind;
use equalinfo_codec::mix::{Alone, AnyTables, Class, Encoder, Observer, Shape, Tables, WithShape, shown};
use equalinfo_codec::{ByteModel, Frequencies, RangeEncoder};

use crate::coding::CodingError;
use crate::mix::Vectors;
use crate::model::Model;
use crate::plan::noise::is_noise;
use crate::plan::padded;

/// The tables of any class with this processor's vectors.
pub type HostTables<'a> = AnyTables<'a, Vectors>;

/// A text's code.
pub struct Coded {
    /// What coded it.
    pub kind: BlockKind,
    /// The payload.
    pub code: Vec<u8>,
}

/// From this many bits a byte on the model knows too little of a text for its tables to be asked only with it.
const DEAR: usize = 4;

/// The shortest code of a text in a stream of method `mix`. `memory` is the tables', and may have any
/// length before. With two `threads` or more, so many run the model ahead of this one.
pub fn encode(
    model: &Model,
    context: usize,
    threads: usize,
    class: Class,
    memory: &mut Vec<u32>,
    text: &[u8],
) -> Result<Coded, CodingError> {
    if is_noise(text) {
        return Ok(Coded { kind: BlockKind::Tables, code: tables(class, memory, text)? });
    }
    // What the model is shown depends on the text alone, so it can run over all of it at once.
    let (mixed, range) = together(model, (context, threads), class, memory, text, &mut ())?;
    let is_dear = range.as_ref().is_none_or(|code| code.len() * 8 > text.len() * DEAR);
    let mut best = Coded { kind: BlockKind::Coded, code: mixed };
    if let Some(code) = range.filter(|code| code.len() < best.code.len()) {
        best = Coded { kind: BlockKind::Model, code };
    }
    if is_dear {
        let alone = tables(class, memory, text)?;
        if alone.len() < best.code.len() {
            best = Coded { kind: BlockKind::Tables, code: alone };
        }
    }
    Ok(best)
}

/// Both together, and where the model saw the whole text, the code that it makes alone.
fn together<O: Observer>(
    model: &Model,
    (context, threads): (usize, usize),
    class: Class,
    memory: &mut Vec<u32>,
    text: &[u8],
    observer: &mut O,
) -> Result<(Vec<u8>, Option<Vec<u8>>), CodingError> {
    memory.resize(class.words(), 0);
    let (mut seen, mut asked) = (Vec::with_capacity(text.len()), Vec::with_capacity(text.len()));
    shown(class, memory, text, |position, is_asked| {
        seen.push(text[position]);
        asked.push(is_asked.then_some(position));
    })?;
    let (seen, asked) = (&seen, &asked);
    class.with_loops::<Vectors, _>(Together { model, context, threads, memory, text, seen, asked, observer })
}

/// Shows every decision by which a text is coded: by tables with the model, or alone.
///
/// # Errors
/// The model does not run with this context.
pub fn observe<O: Observer>(
    model: Option<&Model>,
    context: usize,
    class: Class,
    text: &[u8],
    observer: &mut O,
) -> Result<(), CodingError> {
    struct Observed<'a, O>(&'a mut [u32], &'a [u8], &'a mut O);
    impl<O: Observer> WithShape for Observed<'_, O> {
        type Output = Result<(), CodingError>;

        fn with<S: Shape>(self) -> Self::Output {
            let mut encoder = Encoder::<S, Alone>::new(Alone, self.0, None)?;
            for &byte in self.1 {
                encoder.encode_observed(byte, &mut |_| (), self.2);
            }
            Ok(())
        }
    }
    let mut memory = vec![0; class.words()];
    match model {
        Some(model) => together(model, (context, 1), class, &mut memory, text, observer).map(|_| ()),
        None => class.with_loops::<Vectors, _>(Observed(&mut memory, text, observer)),
    }
}

/// The code of a text by tables alone.
pub fn tables(class: Class, memory: &mut Vec<u32>, text: &[u8]) -> Result<Vec<u8>, CodingError> {
    memory.resize(class.words(), 0);
    let mut code = vec![0; longest(text.len())];
    let length = HostTables::Memory(memory).encode(class, &mut Alone, text, &mut code)?;
    code.truncate(length);
    Ok(code)
}

/// Bytes that no code of this many bytes of text exceeds: nine decisions a byte, each of at most 16.006 bits.
fn longest(text: usize) -> usize {
    19 * text + 8
}

struct Together<'a, O> {
    model: &'a Model,
    context: usize,
    threads: usize,
    memory: &'a mut [u32],
    text: &'a [u8],
    /// The bytes that the model is shown, and where in the text it is asked for each, if it is.
    seen: &'a [u8],
    asked: &'a [Option<usize>],
    observer: &'a mut O,
}

impl<O: Observer> WithShape for Together<'_, O> {
    type Output = Result<(Vec<u8>, Option<Vec<u8>>), CodingError>;

    fn with<S: Shape>(self) -> Self::Output {
        let Self { model, context, threads, memory, text, seen, asked, observer } = self;
        let mut encoder = Encoder::<S, Replay>::new(Replay(Frequencies::uniform()), memory, None)?;
        let mut code = Vec::new();
        let mut range_code = vec![0; 2 * text.len() + 16];
        let mut range = (seen.len() == text.len()).then(|| RangeEncoder::new(&mut range_code));
        let mut next = 0;
        let visit = |index: usize, frequencies: &Frequencies| {
            if let Some(range) = &mut range {
                range.encode(frequencies, seen[index]);
            }
            let Some(position) = asked[index] else { return };
            encoder.front_mut().0.clone_from(frequencies);
            for &byte in &text[next..=position] {
                encoder.encode_observed(byte, &mut |byte| code.push(byte), observer);
            }
            next = position + 1;
        };
        model.engine().trace_on(threads, seen, context, visit)?;
        for &byte in &text[next..] {
            encoder.encode_observed(byte, &mut |byte| code.push(byte), observer);
        }
        encoder.finish(&mut |byte| code.push(byte));
        let Some(range) = range else { return Ok((code, None)) };
        let length = range.finish().ok_or(CodingError::CodeLength { found: text.len() })?;
        range_code.truncate(length);
        Ok((code, Some(padded(text.len(), range_code))))
    }
}

/// A model that has been asked already.
struct Replay(Frequencies);

impl ByteModel for Replay {
    fn reset(&mut self) {}

    fn frequencies(&mut self) -> &Frequencies {
        &self.0
    }

    fn push(&mut self, _byte: u8) {}
}
