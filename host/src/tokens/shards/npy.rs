//! The matrices of shards: `.npy` files of unsigned numbers, little-endian, row after row.

use std::io;

use npyz::{DType, NpyHeader, Order, WriterBuilder};

/// Bytes of a file in which its header lies; numpy's have 128.
pub const LONGEST_HEADER: usize = 4096;

/// Bytes of a token of so many.
pub fn width(vocabulary: usize) -> usize {
    match vocabulary {
        ..=0x100 => 1,
        0x101..=0x10000 => 2,
        _ => 4,
    }
}

/// The type of values in numpy's words: `|u1`, `<u2`, `<u4`.
fn of_width(bytes: usize) -> io::Result<DType> {
    let name = if bytes == 1 { "|u1".to_owned() } else { format!("<u{bytes}") };
    name.parse().map(DType::Plain).map_err(io::Error::other)
}

/// The bytes of a matrix's file.
pub fn bytes<T: npyz::Serialize>(values: impl Iterator<Item = T>, shape: [u64; 2]) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let options = npyz::WriteOptions::new().dtype(of_width(size_of::<T>())?).shape(&shape);
    let mut writer = options.writer(&mut bytes).begin_nd()?;
    writer.extend(values)?;
    writer.finish()?;
    Ok(bytes)
}

/// Where the values begin of a file that starts with `beginning`, if it is a matrix of this shape whose values have
/// this many bytes; else what it is.
pub fn start(beginning: &[u8], shape: [u64; 2], width: usize) -> Result<usize, String> {
    // Versions 2 and 3 are for headers of 64 KiB and more.
    if let Some(version) = beginning.get(6).filter(|&&version| version != 1) {
        return Err(format!("version {version} of .npy, expected 1"));
    }
    let mut rest = beginning;
    let header = NpyHeader::from_reader(&mut rest).map_err(|error| error.to_string())?;
    if header.shape() != shape {
        return Err(format!("its shape is {:?}, expected {shape:?}", header.shape()));
    }
    let expected = of_width(width).map_err(|error| error.to_string())?;
    if header.dtype() != expected {
        return Err(format!("its type is {}, expected {}", header.dtype().descr(), expected.descr()));
    }
    if header.order() != Order::C {
        return Err("its values lie column after column (fortran_order), expected row after row".to_owned());
    }
    Ok(beginning.len() - rest.len())
}
