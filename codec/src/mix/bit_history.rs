//! Bit histories: what followed in one context, in a byte.
//!
//! A state is a pair of bounded counts (zeros, ones) and which came last. Invariant: the number of a state rises with
//! the number of bits that it remembers, so it serves as a priority; state 0 has seen nothing.

use super::logistic::stretched;

/// The larger count is at most `BOUNDS[smaller count]`.
const BOUNDS: [u8; 6] = [41, 22, 12, 8, 6, 5];

/// The number of states.
pub const STATES: usize = {
    let (_, count) = enumerate();
    count
};

#[derive(Clone, Copy)]
struct State {
    counts: [u8; 2],
    last: u8,
}

const fn allowed(a: u8, b: u8) -> bool {
    let (small, large) = if a < b { (a, b) } else { (b, a) };
    (small as usize) < BOUNDS.len() && large <= BOUNDS[small as usize]
}

/// All states by their total, then by the number of zeros, then by the last bit.
const fn enumerate() -> ([State; 256], usize) {
    let mut states = [State { counts: [0, 0], last: 0 }; 256];
    let (mut count, mut total) = (0, 0);
    while total <= BOUNDS[0] + 8 {
        let mut zeros = 0;
        while zeros <= total {
            let ones = total - zeros;
            if allowed(zeros, ones) {
                let mut last = 0;
                while last < 2 {
                    // Of a run, the last bit is known.
                    let possible = if last == 0 { ones == 0 || zeros > 0 } else { ones > 0 };
                    if possible {
                        states[count] = State { counts: [zeros, ones], last };
                        count += 1;
                    }
                    last += 1;
                }
            }
            zeros += 1;
        }
        total += 1;
    }
    (states, count)
}

/// The count of the other bit, once one has come that it did not predict.
const fn discounted(count: u8) -> u8 {
    if count <= 3 { count } else { 3 + (count - 3) / 4 }
}

/// The state after a bit: `NEXT[2 * state + bit]`.
static NEXT: [[u8; 2]; 256] = {
    let (states, count) = enumerate();
    let mut table = [[0; 2]; 256];
    let mut state = 0;
    while state < count {
        let mut bit = 0;
        while bit < 2 {
            let mut counts = states[state].counts;
            counts[bit] += 1;
            counts[1 - bit] = discounted(counts[1 - bit]);
            while !allowed(counts[0], counts[1]) {
                let larger = if counts[0] == counts[1] { 1 - bit } else { (counts[0] < counts[1]) as usize };
                counts[larger] -= 1;
            }
            let mut next = 0;
            while states[next].counts[0] != counts[0]
                || states[next].counts[1] != counts[1]
                || states[next].last as usize != bit
            {
                next += 1;
            }
            table[state][bit] = next as u8;
            bit += 1;
        }
        state += 1;
    }
    table
};

/// The probability after the empty history, of which both inputs are 0.
pub const UNKNOWN: u32 = 32767;

/// The first guess at the probability of a 1 after a history.
pub const INITIAL: [u16; 256] = {
    let (states, count) = enumerate();
    let mut table = [UNKNOWN as u16; 256];
    let mut state = 1;
    while state < count {
        let [zeros, ones] = states[state].counts;
        let (zeros, ones) = (zeros as u32 * 10 + 4, ones as u32 * 10 + 4);
        table[state] = ((ones << 16) / (zeros + ones)) as u16;
        state += 1;
    }
    table
};

/// [`INITIAL`], stretched, for classes that do not learn better.
pub static STRETCHED: [i16; 256] = {
    let mut table = [0; 256];
    let mut state = 0;
    while state < 256 {
        table[state] = stretched(INITIAL[state] as u32);
        state += 1;
    }
    table
};

/// The state after one more bit.
#[inline]
pub fn next(state: u8, bit: u32) -> u8 {
    let [zero, one] = NEXT[state as usize];
    if bit != 0 { one } else { zero }
}
