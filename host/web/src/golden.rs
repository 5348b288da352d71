//! The golden vectors, computed by whatever engine runs this module.

use std::fmt::{Arguments, Write};

use equalinfo_codec::mix::Class;
use equalinfo_determinism::{
    Digest, FIXED, Failure, LEXICONS, Memory, PICO, coders, lexicon, of_image, pico_with_tables, tables,
};

/// The lines of one part of the golden file.
pub fn vectors(part: u32, input: &[u8]) -> String {
    let mut lines = String::new();
    let mut write = |name: Arguments, vector: Result<Digest, Failure>| {
        // Writing to a string never fails.
        let _ = match vector {
            Ok(digest) => writeln!(lines, "{digest}  {name}"),
            Err(failure) => writeln!(lines, "{failure}  {name}"),
        };
    };
    let [(_, window_code, _), (_, optimal, _)] = LEXICONS;
    match part {
        0 => coders(&mut write),
        1 => {
            let mut memory = Memory::new();
            of_image("fixed", FIXED, &mut memory, &mut write);
            of_image("pico", PICO, &mut memory, &mut write);
            let mut words = vec![0; Class::Mib16.words()];
            for class in Class::ALL {
                tables(class, &mut words, &mut write);
            }
            for class in Class::ALL {
                pico_with_tables(class, &mut words, &mut memory, &mut write);
            }
        }
        2 => lexicon(window_code, input, &mut write),
        _ => lexicon(optimal, input, &mut write),
    }
    lines
}
