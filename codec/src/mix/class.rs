//! [`Class`]: how much memory the tables take, and what they are. Each class is the same machine with other numbers.
//!
//! [`Shape`] is a class at compile time: whoever links one class gets code for that one alone.

use core::fmt::Debug;
use core::marker::PhantomData;

use super::caches;
use super::finals;
use super::loops::{Loops, Portable};
use super::matches;
use super::memory::Array;
use super::mixer::{self, Selector};
use super::slots;
use super::text::Context::{self, Above, Order, Sparse, Target, Word, WordPair};
use super::weights;

/// The memory that the tables of a block take.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Class {
    /// 4 KiB.
    Kib4,
    /// 16 KiB, for microcontrollers.
    Kib16,
    /// 64 KiB.
    Kib64,
    /// 256 KiB.
    Kib256,
    /// 1 MiB.
    Mib1,
    /// 16 MiB, for computers.
    Mib16,
}

impl Class {
    /// Every class, the smallest first.
    pub const ALL: [Self; 6] = [Self::Kib4, Self::Kib16, Self::Kib64, Self::Kib256, Self::Mib1, Self::Mib16];

    /// Words of memory that the class takes.
    pub const fn words(self) -> usize {
        match self {
            Self::Kib4 => <Kib4>::WORDS,
            Self::Kib16 => <Kib16>::WORDS,
            Self::Kib64 => <Kib64>::WORDS,
            Self::Kib256 => <Kib256>::WORDS,
            Self::Mib1 => <Mib1>::WORDS,
            Self::Mib16 => <Mib16>::WORDS,
        }
    }

    /// Its name, as people write it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Kib4 => "4k",
            Self::Kib16 => "16k",
            Self::Kib64 => "64k",
            Self::Kib256 => "256k",
            Self::Mib1 => "1m",
            Self::Mib16 => "16m",
        }
    }

    /// Runs `visitor` with the class as a type.
    #[inline]
    pub fn with<V: WithShape>(self, visitor: V) -> V::Output {
        self.with_loops::<Portable, V>(visitor)
    }

    /// As [`Self::with`], with other loops.
    #[inline]
    pub fn with_loops<L: Loops, V: WithShape>(self, visitor: V) -> V::Output {
        match self {
            Self::Kib4 => visitor.with::<Kib4<L>>(),
            Self::Kib16 => visitor.with::<Kib16<L>>(),
            Self::Kib64 => visitor.with::<Kib64<L>>(),
            Self::Kib256 => visitor.with::<Kib256<L>>(),
            Self::Mib1 => visitor.with::<Mib1<L>>(),
            Self::Mib16 => visitor.with::<Mib16<L>>(),
        }
    }
}

impl core::fmt::Display for Class {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.pad(match self {
            Self::Kib4 => "4 KiB",
            Self::Kib16 => "16 KiB",
            Self::Kib64 => "64 KiB",
            Self::Kib256 => "256 KiB",
            Self::Mib1 => "1 MiB",
            Self::Mib16 => "16 MiB",
        })
    }
}

/// Something to do with a class that is known at run time only.
pub trait WithShape {
    /// What comes of it.
    type Output;

    /// Does it.
    fn with<S: Shape>(self) -> Self::Output;
}

/// The numbers of a class.
pub trait Shape: Sized {
    /// The class.
    const CLASS: Class;
    /// Logarithm of the bytes of text that matches are found in.
    const HISTORY_BITS: u32;
    /// Logarithm of the entries of the match table.
    const STARTS_BITS: u32;
    /// The length of the context that matches are looked up by.
    const SHORTEST: u32;
    /// Whether the match model also learns by the byte that it expects.
    const EXPECTED_BYTE: bool;
    /// Groups of four slots.
    const SLOT_GROUPS: u32;
    /// Contexts that have slots.
    const SLOTS: &'static [Context];
    /// Whether a context has a second input, by the probability itself.
    const SECOND_INPUT: bool;
    /// Logarithm of the entries of each cache.
    const CACHE_BITS: u32;
    /// Contexts that have caches.
    const CACHES: &'static [Context];
    /// How sets of weights are chosen, each set giving an opinion.
    const SELECTORS: &'static [Selector];
    /// Logarithms of how finely the first final map tells what the front says, and of the rows of the second, by the
    /// byte before; `None`: no final maps.
    const FINAL_BITS: Option<(u32, u32)>;

    /// Generic initial weights, alone and with a front.
    const WEIGHTS: [&'static [i16]; 2];

    /// Something for each context with slots.
    type PerSlot<T: Debug>: Array<T>;
    /// Maps from bit histories to probabilities: one for each context, or none, and first guesses stay.
    type Maps: Array<[u32; 256]>;
    /// Something for each context with a cache.
    type PerCache<T: Debug>: Array<T>;
    /// Something for each selector.
    type PerSelector<T: Debug>: Array<T>;
    /// Something for each input, up to a full vector.
    type Lanes<T: Debug>: Array<T>;
    /// The mixer's loops.
    type Loops: Loops;

    /// Whether a cache holds targets.
    const TARGETS: bool = {
        let (mut found, mut index) = (false, 0);
        while index < Self::CACHES.len() {
            found = found || matches!(Self::CACHES[index], Context::Target);
            index += 1;
        }
        found
    };
    /// First input of the contexts.
    const FIRST_CONTEXT: usize = mixer::FIRST_MATCH + 1 + Self::EXPECTED_BYTE as usize;
    /// First input of the caches.
    const FIRST_CACHE: usize = Self::FIRST_CONTEXT + Self::SLOTS.len() * (1 + Self::SECOND_INPUT as usize);
    /// Inputs of a mixture.
    const INPUTS: usize = Self::FIRST_CACHE + Self::CACHES.len();
    /// Words of memory.
    const WORDS: usize = matches::words::<Self>()
        + slots::words::<Self>()
        + caches::words::<Self>()
        + mixer::words::<Self>()
        + finals::words::<Self>();
}

macro_rules! shapes {
    ($($(#[$doc:meta])* $name:ident: $history:literal, $starts:literal, $shortest:literal, $expected:literal;
       $groups:literal [$($slot:expr),*], $maps:literal, $second:literal; $bits:literal [$($cache:expr),*];
       $lanes:literal [$($selector:ident),*]; $final:expr; $alone:ident, $front:ident)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug)]
        pub struct $name<L = Portable>(PhantomData<L>);

        impl<L: Loops> Shape for $name<L> {
            const CLASS: Class = Class::$name;
            const HISTORY_BITS: u32 = $history;
            const STARTS_BITS: u32 = $starts;
            const SHORTEST: u32 = $shortest;
            const EXPECTED_BYTE: bool = $expected;
            const SLOT_GROUPS: u32 = $groups;
            const SLOTS: &'static [Context] = &[$($slot),*];
            const SECOND_INPUT: bool = $second;
            const CACHE_BITS: u32 = $bits;
            const CACHES: &'static [Context] = &[$($cache),*];
            const SELECTORS: &'static [Selector] = &[$(Selector::$selector),*];
            const FINAL_BITS: Option<(u32, u32)> = $final;
            const WEIGHTS: [&'static [i16]; 2] = [&weights::$alone, &weights::$front];

            type PerSlot<T: Debug> = [T; <[Context]>::len(&[$($slot),*])];
            type Maps = [[u32; 256]; $maps];
            type PerCache<T: Debug> = [T; <[Context]>::len(&[$($cache),*])];
            type PerSelector<T: Debug> = [T; <[Selector]>::len(&[$(Selector::$selector),*])];
            type Lanes<T: Debug> = [T; $lanes];
            type Loops = L;
        }

        const _: () = assert!(<$name>::INPUTS <= $lanes && $lanes % 4 == 0);
    )*};
}

shapes! {
    /// [`Class::Kib4`].
    Kib4: 9, 8, 4, false; 136 [Order(1), Order(2)], 0, false; 5 []; 4 [Known]; None; KIB4_ALONE, KIB4_FRONT
    /// [`Class::Kib16`].
    Kib16: 11, 9, 5, false; 464 [Order(1), Order(2)], 0, false; 9 [Order(3), Word]; 8 [Known]; None;
        KIB16_ALONE, KIB16_FRONT
    /// [`Class::Kib64`].
    Kib64: 13, 11, 5, false; 2100 [Order(1), Order(2), Word], 3, false; 11 [Order(3), Order(4), Word]; 8 [Known]; None;
        KIB64_ALONE, KIB64_FRONT
    /// [`Class::Kib256`].
    Kib256: 16, 13, 6, true; 5700 [Order(1), Order(2), Order(3), Word], 4, true;
        12 [Order(4), Order(5), Order(6), Word]; 16 [Known, Partial]; Some((0, 4)); KIB256_ALONE, KIB256_FRONT
    /// [`Class::Mib1`].
    Mib1: 18, 15, 6, true; 23000 [Order(1), Order(2), Order(3), Order(4), Word, Above], 6, true;
        14 [Order(3), Order(5), WordPair, Word, Target]; 20 [Known, Partial]; Some((0, 8)); MIB1_ALONE, MIB1_FRONT
    /// [`Class::Mib16`].
    Mib16: 22, 19, 7, true;
        440000 [Order(1), Order(2), Order(3), Order(4), Order(5), Order(6), Word, WordPair, Above, Sparse], 10, true;
        18 [Order(3), Order(5), WordPair, Word, Target]; 28 [Known, Partial, Previous]; Some((4, 12));
        MIB16_ALONE, MIB16_FRONT
}
