//! A lexicon: its image, all of its texts, and its parse of a text.

use equalinfo_codec::lexicon::{Lexicon, LexiconKind};
use sha2::{Digest as _, Sha256};

use super::model::TRACED;
use super::{Digest, Failure, Report};

/// The lexicons of the model `fixed`: their kinds, the names of their vectors, and the names of their files.
pub const LEXICONS: [(LexiconKind, &str, &str); 2] = [
    (LexiconKind::WindowCode, "fixed window-code lexicon", "window-code.lex"),
    (LexiconKind::Optimal, "fixed optimal lexicon", "optimal.lex"),
];

/// The vectors of a `.lex` image.
pub fn lexicon(name: &str, image: &[u8], report: &mut Report) {
    report(format_args!("{name}: image"), Ok(Digest::of(image)));
    match Lexicon::load(image) {
        Ok(lexicon) => {
            report(format_args!("{name}: texts"), Ok(texts(&lexicon)));
            report(format_args!("{name}: longest matches"), matches(&lexicon));
        }
        Err(error) => report(format_args!("{name}: lexicon"), Err(error.into())),
    }
}

/// All 65,536 texts with their lengths, and whether an encoder writes their codes.
fn texts(lexicon: &Lexicon) -> Digest {
    let mut hash = Sha256::new();
    for code in 0..=u16::MAX {
        let mut length = 0u8;
        let canonical = lexicon.decode(code, |byte| {
            hash.update([byte]);
            length = length.wrapping_add(1);
        });
        hash.update([length, u8::from(canonical)]);
    }
    Digest::finish(hash)
}

fn matches(lexicon: &Lexicon) -> Result<Digest, Failure> {
    let (mut payload, mut decoded) = ([0; 2 * TRACED.len()], [0; TRACED.len()]);
    let length = lexicon.encode_payload(TRACED, &mut payload)?;
    let payload = &payload[..length];
    let length = lexicon.decode_payload(payload, &mut decoded)?;
    if decoded[..length] == *TRACED { Ok(Digest::of(payload)) } else { Err(Failure::RoundTrip) }
}
