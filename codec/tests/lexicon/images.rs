//! Images of lexicons, with the fields in the order of `docs/lexicon.md`.

use equalinfo_codec::window::WindowDecoder;
use equalinfo_codec::{ByteModel, WindowBits, WindowCode};

pub const WINDOW_CODE: u8 = 0;
pub const OPTIMAL: u8 = 1;

/// The offsets of the tables of an image.
pub const STARTS: usize = 36;
pub const BYTES: usize = STARTS + 512;
pub const SIZES: usize = BYTES + 65536;
pub const WIDE: usize = SIZES + 65536;

/// The texts of all codes, and whether an encoder writes the code.
pub struct Codes(pub Vec<(Vec<u8>, bool)>);

impl Codes {
    /// The window code's.
    pub fn of_windows(model: &mut impl ByteModel, context: usize) -> Self {
        let decode = |value| {
            let mut decoder =
                WindowDecoder::new(WindowBits::B16, WindowCode::Default, context, value).expect("decodes");
            model.reset();
            let text: Vec<u8> = std::iter::from_fn(|| decoder.next(model)).collect();
            (text, decoder.is_canonical())
        };
        Self((0..=0xffff).map(decode).collect())
    }

    /// 65,535 texts and the empty one, in any order. They must include all prefixes of each.
    pub fn of_texts(mut texts: Vec<Vec<u8>>) -> Self {
        assert_eq!(texts.len(), 65536);
        texts.sort();
        Self(texts.into_iter().map(|text| (text, true)).collect())
    }

    /// The image.
    pub fn image(&self, kind: u8, context: u16, model_id: u64) -> Vec<u8> {
        let codes = &self.0;
        let mut image = vec![0; WIDE];
        image[..4].copy_from_slice(b"LEX1");
        image[20..28].copy_from_slice(&model_id.to_le_bytes());
        image[28..30].copy_from_slice(&context.to_le_bytes());
        image[30] = kind;
        for (code, (text, canonical)) in codes.iter().enumerate() {
            if !canonical {
                image[SIZES + code] = 255;
                continue;
            }
            let below = codes[code + 1..].iter().take_while(|(other, _)| other.starts_with(text)).count();
            image[BYTES + code] = text.last().copied().unwrap_or(0);
            image[SIZES + code] = below.min(254) as u8;
            if below >= 254 {
                image.extend((code as u16).to_le_bytes());
                image.extend((below as u16).to_le_bytes());
            }
            if let [byte] = text[..] {
                image[STARTS + 2 * usize::from(byte)..][..2].copy_from_slice(&(code as u16).to_le_bytes());
            }
        }
        let wide = ((image.len() - WIDE) / 4) as u16;
        image[32..34].copy_from_slice(&wide.to_le_bytes());
        seal(&mut image);
        image
    }
}

/// Sets the length, the id and the checksum according to the content.
pub fn seal(image: &mut [u8]) {
    let length = image.len() as u32;
    image[4..8].copy_from_slice(&length.to_le_bytes());
    let id = image[20..]
        .iter()
        .fold(0xcbf2_9ce4_8422_2325u64, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3));
    image[8..16].copy_from_slice(&id.to_le_bytes());
    let mut crc = !0u32;
    for &byte in image[..16].iter().chain(&image[20..]) {
        crc ^= u32::from(byte);
        for _ in 0..8 {
            crc = (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg());
        }
    }
    image[16..20].copy_from_slice(&(!crc).to_le_bytes());
}
