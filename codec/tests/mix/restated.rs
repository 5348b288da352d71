//! The module's code is that of the restatement, for every class, with and without a front.

use equalinfo_codec::mix::{Alone, Class, Priming, Shape, WithShape};
use equalinfo_codec::{ByteModel, Frequencies};

use crate::common::HashModel;
use crate::restatement::{CLASSES, Restatement, code_of};
use crate::{encode, texts};

struct InitialWeights(bool);

impl WithShape for InitialWeights {
    type Output = &'static [i16];

    fn with<S: Shape>(self) -> &'static [i16] {
        Priming::generic::<S>(self.0).weights
    }
}

/// The share of the bytes that go on with a 1 among those that begin with `partial`, from the counts themselves.
fn share(frequencies: &Frequencies, partial: u32) -> i64 {
    let free = partial.leading_zeros() - 23;
    let bytes = (partial << free) - 256..((partial + 1) << free) - 256;
    let sum = |bytes: std::ops::Range<u32>| bytes.map(|byte| i64::from(frequencies.count(byte as u8))).sum::<i64>();
    let upper = bytes.start + (1 << (free - 1))..bytes.end;
    (sum(upper) << 16) / sum(bytes)
}

fn restated(class: usize, front: Option<&mut HashModel>, text: &[u8]) -> Vec<u8> {
    let initial = Class::ALL[class].with(InitialWeights(front.is_some()));
    let mut restatement = Restatement::new(&CLASSES[class], initial);
    let mut front = front;
    let mut decisions = Vec::new();
    let mut unseen = Vec::new();
    for &byte in text {
        if let Some((expected, probability)) = restatement.echo() {
            decisions.push((probability, u32::from(expected == byte)));
            restatement.learn_echo(expected == byte);
            if expected == byte {
                unseen.push(byte);
                continue;
            }
        }
        if let Some(front) = &mut front {
            unseen.iter().rev().take(32).rev().for_each(|&byte| front.push(byte));
            unseen.clear();
        }
        let frequencies = front.as_mut().map(|front| front.frequencies().clone());
        let share = frequencies.as_ref().map(|frequencies| |partial: u32| share(frequencies, partial));
        let share = share.as_ref().map(|share| share as &dyn Fn(u32) -> i64);
        let mut place = 8;
        restatement.code(share, &mut |probability| {
            place -= 1;
            let bit = u32::from(byte) >> place & 1;
            decisions.push((probability, bit));
            bit
        });
        if let Some(front) = &mut front {
            front.push(byte);
        }
    }
    code_of(&decisions)
}

#[test]
fn alone_it_is_what_the_document_says() {
    for (class, name) in Class::ALL.into_iter().zip(0..) {
        for (kind, text) in texts() {
            assert!(encode(class, Alone, &text) == restated(name, None, &text), "{class:?} {kind}");
        }
    }
}

#[test]
fn with_a_front_it_is_what_the_document_says() {
    for (class, name) in Class::ALL.into_iter().zip(0..) {
        for (kind, text) in texts() {
            let mut front = HashModel::new(3, 40);
            let expected = restated(name, Some(&mut front.clone()), &text);
            assert!(encode(class, &mut front, &text) == expected, "{class:?} {kind}");
        }
    }
}

#[test]
fn a_history_that_wraps_is_what_the_document_says() {
    // Longer than the histories of four classes, and than positions of 16 bits.
    let alice = include_bytes!("../../../tests/data/alice29.txt");
    let mut text = alice[..70_000].to_vec();
    text.extend_from_slice(&alice[60_000..72_000]);
    for name in 0..4 {
        assert!(encode(Class::ALL[name], Alone, &text) == restated(name, None, &text), "{:?}", Class::ALL[name]);
    }
}
