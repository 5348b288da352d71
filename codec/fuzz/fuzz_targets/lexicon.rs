//! A lexicon with any changes and a matching checksum is either refused or a lossless code, and any bytes decoded as
//! its payload give a text or an error.
#![no_main]

use std::sync::OnceLock;

use equalinfo_codec::checksum::image_checksum;
use equalinfo_codec::lexicon::Lexicon;
use libfuzzer_sys::fuzz_target;

/// The offsets of the tables of one-byte texts, of bytes and of sizes.
const STARTS: usize = 36;
const BYTES: usize = STARTS + 512;
const SIZES: usize = BYTES + 65536;

/// A lexicon with every text of one byte. After every second byte it has 254 texts of two bytes, after the others left
/// over codes.
fn image() -> &'static [u8] {
    static IMAGE: OnceLock<Vec<u8>> = OnceLock::new();
    IMAGE.get_or_init(|| {
        let mut image = vec![0; SIZES + 65536];
        image[..4].copy_from_slice(b"LEX1");
        image[28] = 64;
        image[SIZES..].fill(255);
        image[SIZES] = 254;
        image.extend([0, 0, 255, 255]);
        for byte in 0..=255u8 {
            let start = 1 + usize::from(byte) * 255;
            image[STARTS + 2 * usize::from(byte)..][..2].copy_from_slice(&(start as u16).to_le_bytes());
            image[BYTES + start] = byte;
            image[SIZES + start] = 254;
            image.extend((start as u16).to_le_bytes());
            image.extend([254, 0]);
            if byte % 2 == 0 {
                for (offset, code) in (start + 1..start + 255).enumerate() {
                    image[BYTES + code] = offset as u8;
                    image[SIZES + code] = 0;
                }
            }
        }
        image[32..34].copy_from_slice(&257u16.to_le_bytes());
        image
    })
}

fuzz_target!(|data: (Vec<(u32, u8)>, &[u8])| {
    let (changes, payload) = data;
    let mut image = image().to_vec();
    for (at, byte) in changes {
        let at = at as usize % image.len();
        image[at] = byte;
    }
    let length = (image.len() as u32).to_le_bytes();
    image[4..8].copy_from_slice(&length);
    let checksum = image_checksum(&image[..16], &image[20..]);
    image[16..20].copy_from_slice(&checksum.to_le_bytes());
    let Ok(lexicon) = Lexicon::load(&image) else { return };
    // A prime apart, from where the payload says: all in many cases, few in each.
    let first = payload.first().copied().unwrap_or(0);
    for code in (u16::from(first)..=u16::MAX).step_by(997) {
        let mut text = lexicon.text(code);
        let bytes: Vec<u8> = text.by_ref().collect();
        let (again, taken) = lexicon.encode(&bytes);
        assert_eq!((taken, again == code), (bytes.len(), text.is_canonical()));
    }
    let mut text = [0; 1 << 12];
    if let Ok(length) = lexicon.decode_payload(payload, &mut text) {
        let mut again = vec![0; 2 * length];
        let size = lexicon.encode_payload(&text[..length], &mut again).expect("two bytes for each");
        let mut text_again = vec![0; length];
        assert_eq!(lexicon.decode_payload(&again[..size], &mut text_again), Ok(length));
        assert_eq!(text_again, text[..length]);
    }
});
