//! This machine computes the golden vectors.

use equalinfo_codec::mix::Class;
use equalinfo_determinism::{Digest, FIXED, Failure, GOLDEN, Memory, PICO, coders, of_image, pico_with_tables, tables};
use std::fmt::{Arguments, Write};

#[test]
fn golden_vectors_are_reproduced() {
    let mut found = String::new();
    let mut write = |name: Arguments, vector: Result<Digest, Failure>| {
        let digest = vector.unwrap_or_else(|failure| panic!("{name}: {failure}"));
        writeln!(found, "{digest}  {name}").unwrap();
    };
    let mut memory = Memory::new();
    coders(&mut write);
    of_image("fixed", FIXED, &mut memory, &mut write);
    of_image("pico", PICO, &mut memory, &mut write);
    let mut words = vec![0; Class::Mib16.words()];
    for class in Class::ALL {
        tables(class, &mut words, &mut write);
    }
    for class in Class::ALL {
        pico_with_tables(class, &mut words, &mut memory, &mut write);
    }
    // Lexicons are compiled by the tool: `equalinfo verify`.
    let expected = GOLDEN.lines().filter(|line| !line.contains(" lexicon: "));
    let (expected, found): (Vec<&str>, Vec<&str>) = (expected.collect(), found.lines().collect());
    for (expected, found) in expected.iter().zip(&found) {
        assert_eq!(found, expected, "if another pico is shipped, see tests/determinism/README.md");
    }
    assert_eq!(found.len(), expected.len());
}
