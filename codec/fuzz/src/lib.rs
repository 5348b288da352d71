//! A small deterministic model for the fuzz targets, whose predictions range from nearly flat to nearly certain, and
//! the methods that they choose from.

use equalinfo_codec::container::{Header, Method, ModelIdentity, ModelName};
use equalinfo_codec::mix::{AnyTables, Class, WithTables};
use equalinfo_codec::{ByteModel, Frequencies, WindowBits, WindowCode};

/// The largest class of tables that the targets use: larger ones take longer to reset than a case may.
const LARGEST: Class = Class::Kib64;

/// A model, and memory for tables.
pub struct Coder {
    sharpness: u8,
    memory: Vec<u32>,
}

impl Coder {
    pub fn new(sharpness: u8) -> Self {
        Self { sharpness, memory: vec![0; LARGEST.words()] }
    }

    pub fn get(&mut self) -> WithTables<Model, AnyTables<'_>> {
        WithTables::new(Model::new(self.sharpness), AnyTables::new(&mut self.memory))
    }
}

/// The method that a byte stands for.
pub fn method(choice: u8) -> Method {
    let code = if choice & 0x20 == 0 { WindowCode::Default } else { WindowCode::Delay };
    let number = choice & 0x1f;
    match (WindowBits::from_bits(u32::from(number) * 8), number) {
        (Some(bits), _) => Method::EqualInfo { bits, code },
        (None, 17) => Method::Mix(Class::Kib4),
        (None, 18) => Method::Mix(Class::Kib16),
        (None, 19) => Method::Tables(Class::Kib4),
        (None, 20) => Method::Tables(Class::Kib16),
        (None, 21) => Method::Tables(Class::Kib64),
        _ => Method::Ac,
    }
}

/// A header of a stream by a method.
pub fn header(method: Method, context: u16) -> Header {
    let model = if method.has_model() { ModelIdentity { id: 1, context } } else { ModelIdentity::default() };
    Header::new(method, model, ModelName::NONE, 1 << 16)
}

/// The contexts that the model tells apart: few, as a case is short and each costs as much as many bytes.
const CONTEXTS: usize = 4;

pub struct Model {
    sharpness: u8,
    previous: u8,
    frequencies: [Option<Frequencies>; CONTEXTS],
}

impl Model {
    pub fn new(sharpness: u8) -> Self {
        Self { sharpness, previous: 0, frequencies: [const { None }; CONTEXTS] }
    }
}

impl ByteModel for Model {
    fn reset(&mut self) {
        self.previous = 0;
    }

    fn frequencies(&mut self) -> &Frequencies {
        let (sharpness, context) = (u32::from(self.sharpness), self.previous % CONTEXTS as u8);
        self.frequencies[usize::from(context)].get_or_insert_with(|| {
            let mut frequencies = Frequencies::uniform();
            frequencies.set_weights(|byte| {
                let distance = u32::from(byte.wrapping_sub(context).wrapping_mul(29)) * sharpness / 64;
                0xffffu16.checked_shr(distance).unwrap_or(0)
            });
            frequencies
        })
    }

    fn push(&mut self, byte: u8) {
        self.previous = byte;
    }
}
