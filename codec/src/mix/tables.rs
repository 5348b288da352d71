//! [`Tables`]: the tables of one block after the other, in the caller's memory, with any front.
//!
//! A [`Coder`] is a model, or a model and tables: what a block is coded with.

use super::binary_coder::BinaryEncoder;
use super::class::{Class, Kib4, Kib16, Kib64, Kib256, Mib1, Mib16, Shape};
use super::error::MixError;
use super::front::Front;
use super::loops::{Loops, Portable};
use super::machine::{Arriving, Machine};
use crate::byte_model::ByteModel;
use crate::progress::Progress;

/// Decodes and encodes blocks with the tables of a class.
pub trait Tables {
    /// Begins to decode a block whose code has `length` bytes.
    ///
    /// # Errors
    /// These are the tables of another class, or the memory is too small.
    fn begin(&mut self, class: Class, speaks: bool, length: usize) -> Result<(), MixError>;

    /// Decodes as far as the buffers allow; `output` asks for no more than the rest of the text.
    ///
    /// # Errors
    /// [`MixError::Damaged`]: no text has this code.
    fn decode<F: Front>(&mut self, front: &mut F, input: &[u8], output: &mut [u8]) -> Result<Progress, MixError>;

    /// Takes what is left of the code once all text has been decoded, and says how much.
    ///
    /// # Errors
    /// [`MixError::Damaged`]: no encoder writes this code.
    fn end(&mut self, input: &[u8]) -> Result<usize, MixError>;

    /// Encodes a block to the start of `output` and returns the length of its code.
    ///
    /// # Errors
    /// These are the tables of another class, or the code does not fit.
    fn encode<F: Front>(
        &mut self,
        class: Class,
        front: &mut F,
        text: &[u8],
        output: &mut [u8],
    ) -> Result<usize, MixError>;
}

/// No tables: blocks that need them are refused by name.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoTables;

impl Tables for NoTables {
    fn begin(&mut self, class: Class, _speaks: bool, _length: usize) -> Result<(), MixError> {
        Err(MixError::Class { expected: class, found: None })
    }

    fn decode<F: Front>(&mut self, _front: &mut F, _input: &[u8], _output: &mut [u8]) -> Result<Progress, MixError> {
        Err(MixError::Damaged)
    }

    fn end(&mut self, _input: &[u8]) -> Result<usize, MixError> {
        Err(MixError::Damaged)
    }

    fn encode<F: Front>(
        &mut self,
        class: Class,
        _front: &mut F,
        _text: &[u8],
        _output: &mut [u8],
    ) -> Result<usize, MixError> {
        Err(MixError::Class { expected: class, found: None })
    }
}

/// The tables of one class, for a program that needs no other.
///
/// ```
/// use equalinfo_codec::Uniform;
/// use equalinfo_codec::container::{Header, Method, ModelIdentity, decode_stream, encode_stream, stream_bound};
/// use equalinfo_codec::mix::{Class, Kib16, OneClass, WithTables};
///
/// let mut memory = [0; Class::Kib16.words()];
/// let tables = OneClass::<Kib16>::new(&mut memory)?;
/// let mut coder = WithTables::new(Uniform, tables);
/// let text = b"how much wood would a woodchuck chuck if a woodchuck could chuck wood?".repeat(3);
/// let header = Header::new(Method::Tables(Class::Kib16), ModelIdentity::default(), Default::default(), 4096);
/// let mut stream = vec![0; stream_bound(&header, text.len())];
/// let length = encode_stream(&mut coder, &header, &text, &mut stream)?;
/// assert!(length < 80);
///
/// let mut decoded = vec![0; text.len()];
/// decode_stream(&mut coder, ModelIdentity::default(), &stream[..length], &mut decoded)?;
/// assert_eq!(decoded, text);
/// # Ok::<(), Box<dyn core::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct OneClass<'a, S: Shape> {
    machine: Machine<'a, S>,
    arriving: Arriving,
}

impl<'a, S: Shape> OneClass<'a, S> {
    /// The tables, in memory of at least [`Class::words`].
    ///
    /// # Errors
    /// The memory is too small.
    pub fn new(memory: &'a mut [u32]) -> Result<Self, MixError> {
        // Every block begins with a reset.
        Ok(Self { machine: Machine::over(memory)?, arriving: Arriving::new(0) })
    }

    fn check(class: Class) -> Result<(), MixError> {
        if class == S::CLASS { Ok(()) } else { Err(MixError::Class { expected: class, found: Some(S::CLASS) }) }
    }
}

impl<S: Shape> Tables for OneClass<'_, S> {
    fn begin(&mut self, class: Class, speaks: bool, length: usize) -> Result<(), MixError> {
        Self::check(class)?;
        self.machine.reset(speaks)?;
        self.arriving = Arriving::new(length);
        Ok(())
    }

    fn decode<F: Front>(&mut self, front: &mut F, input: &[u8], output: &mut [u8]) -> Result<Progress, MixError> {
        self.arriving.decode(&mut self.machine, front, input, output)
    }

    fn end(&mut self, input: &[u8]) -> Result<usize, MixError> {
        self.arriving.end(input)
    }

    fn encode<F: Front>(
        &mut self,
        class: Class,
        front: &mut F,
        text: &[u8],
        output: &mut [u8],
    ) -> Result<usize, MixError> {
        Self::check(class)?;
        self.machine.reset(F::SPEAKS)?;
        front.reset();
        let found = output.len();
        let (mut coder, mut places, mut length) = (BinaryEncoder::new(), output.iter_mut(), 0usize);
        let mut sink = |byte| {
            length += 1;
            if let Some(place) = places.next() {
                *place = byte;
            }
        };
        for &byte in text {
            self.machine.encode(front, &mut coder, byte, &mut sink, &mut ());
        }
        coder.finish(&mut sink);
        if length <= found { Ok(length) } else { Err(MixError::OutputTooSmall { found }) }
    }
}

/// The tables of whichever class the first block needs, with the mixer's loops in plain Rust or a host's.
#[derive(Debug)]
pub enum AnyTables<'a, L: Loops = Portable> {
    /// Memory for tables of a class that is not known yet.
    Memory(&'a mut [u32]),
    /// [`Class::Kib4`].
    Kib4(OneClass<'a, Kib4<L>>),
    /// [`Class::Kib16`].
    Kib16(OneClass<'a, Kib16<L>>),
    /// [`Class::Kib64`].
    Kib64(OneClass<'a, Kib64<L>>),
    /// [`Class::Kib256`].
    Kib256(OneClass<'a, Kib256<L>>),
    /// [`Class::Mib1`].
    Mib1(OneClass<'a, Mib1<L>>),
    /// [`Class::Mib16`].
    Mib16(OneClass<'a, Mib16<L>>),
}

macro_rules! any {
    ($self:ident, $class:expr, $tables:ident => $work:expr) => {{
        if let AnyTables::Memory(memory) = $self {
            let class: Class = $class;
            let (expected, found) = (class.words(), memory.len());
            if found < expected {
                return Err(MixError::Memory { expected, found });
            }
            let memory = core::mem::take(memory);
            *$self = match class {
                Class::Kib4 => AnyTables::Kib4(OneClass::new(memory)?),
                Class::Kib16 => AnyTables::Kib16(OneClass::new(memory)?),
                Class::Kib64 => AnyTables::Kib64(OneClass::new(memory)?),
                Class::Kib256 => AnyTables::Kib256(OneClass::new(memory)?),
                Class::Mib1 => AnyTables::Mib1(OneClass::new(memory)?),
                Class::Mib16 => AnyTables::Mib16(OneClass::new(memory)?),
            };
        }
        any!($self, $tables => $work, MixError::Damaged)
    }};
    ($self:ident, $tables:ident => $work:expr, $none:expr) => {
        match $self {
            AnyTables::Memory(_) => Err($none),
            AnyTables::Kib4($tables) => $work,
            AnyTables::Kib16($tables) => $work,
            AnyTables::Kib64($tables) => $work,
            AnyTables::Kib256($tables) => $work,
            AnyTables::Mib1($tables) => $work,
            AnyTables::Mib16($tables) => $work,
        }
    };
}

impl<'a> AnyTables<'a> {
    /// Tables in this memory, as much as the class needs that the first block turns out to have ([`Class::words`]).
    pub fn new(memory: &'a mut [u32]) -> Self {
        Self::Memory(memory)
    }
}

impl<L: Loops> Tables for AnyTables<'_, L> {
    fn begin(&mut self, class: Class, speaks: bool, length: usize) -> Result<(), MixError> {
        any!(self, class, tables => tables.begin(class, speaks, length))
    }

    fn decode<F: Front>(&mut self, front: &mut F, input: &[u8], output: &mut [u8]) -> Result<Progress, MixError> {
        any!(self, tables => tables.decode(front, input, output), MixError::Damaged)
    }

    fn end(&mut self, input: &[u8]) -> Result<usize, MixError> {
        any!(self, tables => tables.end(input), MixError::Damaged)
    }

    fn encode<F: Front>(
        &mut self,
        class: Class,
        front: &mut F,
        text: &[u8],
        output: &mut [u8],
    ) -> Result<usize, MixError> {
        any!(self, class, tables => tables.encode(class, front, text, output))
    }
}

/// What blocks are coded with: a model alone, or one with tables ([`WithTables`]).
pub trait Coder {
    /// The model.
    type Model: ByteModel;
    /// The tables.
    type Tables: Tables;

    /// Both.
    fn parts(&mut self) -> (&mut Self::Model, Option<&mut Self::Tables>);
}

impl<M: ByteModel> Coder for M {
    type Model = M;
    type Tables = NoTables;

    fn parts(&mut self) -> (&mut M, Option<&mut NoTables>) {
        (self, None)
    }
}

/// A model with tables. Where streams need no model, [`Uniform`](crate::Uniform) stands in its place.
#[derive(Debug)]
pub struct WithTables<M, T> {
    /// The model.
    pub model: M,
    /// The tables.
    pub tables: T,
}

impl<M, T> WithTables<M, T> {
    /// Both.
    pub const fn new(model: M, tables: T) -> Self {
        Self { model, tables }
    }
}

impl<M: ByteModel, T: Tables> Coder for WithTables<M, T> {
    type Model = M;
    type Tables = T;

    fn parts(&mut self) -> (&mut M, Option<&mut T>) {
        (&mut self.model, Some(&mut self.tables))
    }
}

impl<M: ByteModel, T: Tables> Coder for &mut WithTables<M, T> {
    type Model = M;
    type Tables = T;

    fn parts(&mut self) -> (&mut M, Option<&mut T>) {
        (&mut self.model, Some(&mut self.tables))
    }
}

impl<C: Coder> Coder for Borrowed<'_, C> {
    type Model = C::Model;
    type Tables = C::Tables;

    fn parts(&mut self) -> (&mut C::Model, Option<&mut C::Tables>) {
        self.0.parts()
    }
}

/// A coder that is borrowed.
#[derive(Debug)]
pub(crate) struct Borrowed<'c, C>(pub &'c mut C);
