//! Codes that may never change.

use equalinfo_codec::mix::{Alone, Class};

use crate::common::HashModel;
use crate::{encode, texts};

/// FNV-1a of 64 bits.
fn digest(code: &[u8]) -> u64 {
    code.iter().fold(0xcbf2_9ce4_8422_2325, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

#[test]
fn codes_have_the_golden_digests() {
    let mut found = String::new();
    for class in Class::ALL {
        for (kind, text) in texts() {
            let (alone, front) = (encode(class, Alone, &text), encode(class, HashModel::new(9, 35), &text));
            found += &format!(
                "{} {kind}: {} {:016x}, with a front {} {:016x}\n",
                class.name(),
                alone.len(),
                digest(&alone),
                front.len(),
                digest(&front)
            );
        }
    }
    let expected = include_str!("golden.txt");
    assert!(found == expected, "found:\n{found}");
}
