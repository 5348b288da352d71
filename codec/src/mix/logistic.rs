//! Probabilities and the logistic domain, in integers.
//!
//! A *probability* is that of a bit being 1, in units of 2^-16. A *stretched* probability is the base-2 logarithm of its
//! odds, in units of 1/128: from -2047 to 2047, almost 16 bits either way. Invariant: [`squash`] rises, lies in
//! `1..=65535` and is point-symmetric about one half, and [`stretch`] is its inverse to within its resolution.
//!
//! Where pointers have 64 bits there is cache to spare for tables of every value. Elsewhere both are computed from the
//! small tables that define them.

/// The largest stretched probability, and less than any is the negative of it.
pub const LIMIT: i32 = 2047;

/// `squash(16 * (i - 128))` in entry `i`.
const SQUASH: [u16; 257] = {
    let mut table = [0; 257];
    let mut i = 0;
    while i < 129 {
        let odds = odds_of_eighths(i as u32);
        let probability = ((odds << 16) + (odds + ONE) / 2) / (odds + ONE);
        table[128 + i] = probability as u16;
        table[128 - i] = (65536 - probability) as u16;
        i += 1;
    }
    table
};

/// Probabilities below `FINE << 4` are stretched in steps of 16, those up to a half in steps of 256.
const FINE: usize = 128;

/// Stretched values below 0: of `FINE` fine steps, then of all coarse ones.
const STRETCH: [i16; FINE + 128] = {
    let mut table = [0; FINE + 128];
    let mut i = 0;
    while i < FINE + 128 {
        // Coarse steps are cut off, not halved, so that the last one holds 0.
        let least = if i < FINE { 16 * i as i32 + 8 } else { 256 * (i - FINE) as i32 + 176 };
        let mut x = -LIMIT;
        while interpolated(x, &SQUASH) < least {
            x += 1;
        }
        table[i] = x as i16;
        i += 1;
    }
    table
};

/// 2^30.
const ONE: u64 = 1 << 30;

/// `2^(eighths / 8)` in units of 2^-30, made of integer square roots alone.
const fn odds_of_eighths(eighths: u32) -> u64 {
    let half = ((ONE * ONE) * 2).isqrt();
    let quarter = (half * ONE).isqrt();
    let eighth = (quarter * ONE).isqrt();
    let mut odds = ONE;
    if eighths & 1 != 0 {
        odds = (odds * eighth) >> 30;
    }
    if eighths & 2 != 0 {
        odds = (odds * quarter) >> 30;
    }
    if eighths & 4 != 0 {
        odds = (odds * half) >> 30;
    }
    odds << (eighths >> 3)
}

/// [`squash`] of a value within [`LIMIT`].
#[inline]
const fn interpolated(x: i32, table: &[u16; 257]) -> i32 {
    let shifted = (x + 2048) as u32;
    let (index, fraction) = ((shifted >> 4) as u8 as usize, (shifted & 15) as i32);
    let (below, above) = (table[index] as i32, table[index + 1] as i32);
    (16 * below + (above - below) * fraction + 8) >> 4
}

/// [`stretch`] of the upper 12 bits of a probability.
#[inline]
const fn looked_up(upper: usize, table: &[i16; FINE + 128]) -> i16 {
    let folded = if upper < 2048 { upper } else { 4095 - upper };
    let negative = table[if folded < FINE { folded } else { FINE + (folded >> 4 & 127) }];
    if upper < 2048 { negative } else { -negative }
}

/// The probability that belongs to a stretched one, which is clamped to [`LIMIT`] first.
#[inline]
pub fn squash(x: i32) -> i32 {
    tables::squash(x.clamp(-LIMIT, LIMIT))
}

/// [`stretch`], at compile time.
pub const fn stretched(probability: u32) -> i16 {
    looked_up((probability >> 4 & 4095) as usize, &STRETCH)
}

/// The stretched value of a probability, by its upper 12 bits.
#[inline]
pub fn stretch(probability: u32) -> i16 {
    tables::stretch((probability >> 4 & 4095) as usize)
}

#[cfg(target_pointer_width = "64")]
mod tables {
    static SQUASH: [u16; 4096] = {
        let mut table = [0; 4096];
        let mut i = 1;
        while i < 4096 {
            table[i] = super::interpolated(i as i32 - 2048, &super::SQUASH) as u16;
            i += 1;
        }
        table
    };

    static STRETCH: [i16; 4096] = {
        let mut table = [0; 4096];
        let mut i = 0;
        while i < 4096 {
            table[i] = super::looked_up(i, &super::STRETCH);
            i += 1;
        }
        table
    };

    #[inline]
    pub fn squash(x: i32) -> i32 {
        i32::from(SQUASH[(x + 2048) as usize & 4095])
    }

    #[inline]
    pub fn stretch(upper: usize) -> i16 {
        STRETCH[upper & 4095]
    }
}

#[cfg(not(target_pointer_width = "64"))]
mod tables {
    static SQUASH: [u16; 257] = super::SQUASH;
    static STRETCH: [i16; super::FINE + 128] = super::STRETCH;

    #[inline]
    pub fn squash(x: i32) -> i32 {
        super::interpolated(x, &SQUASH)
    }

    #[inline]
    pub fn stretch(upper: usize) -> i16 {
        super::looked_up(upper, &STRETCH)
    }
}
