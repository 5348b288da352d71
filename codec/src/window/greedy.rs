//! The interval of the paper's greedy code, for [`WindowCode::Paper`](super::WindowCode::Paper) and
//! [`WindowCode::Delay`](super::WindowCode::Delay).
//!
//! Invariant: the interval is `[low, low + range)` in units of 2^-scale of the unit interval, with `2^63 <= range`, and
//! always contains a multiple of 2^-b (a *point*). Instead of `low` it stores the first point and the distance from
//! `low` to it, so 64 bits are exact at any depth: no bit below the points is needed again.

use super::WindowBits;
use crate::frequencies::Frequencies;

/// A half-open part of the unit interval that contains at least one multiple of 2^-b.
#[derive(Clone, Copy, Debug)]
pub(super) struct Interval {
    /// The first point inside, in units of 2^-b.
    point: u128,
    /// The distance from the interval's lower end to that point, below `range`; 0 while points are finer than the
    /// scale.
    offset: u64,
    range: u64,
    scale: u32,
    bits: u32,
}

impl Interval {
    pub(super) fn whole(bits: WindowBits) -> Self {
        Self { point: 0, offset: 0, range: 1 << 63, scale: 63, bits: bits.bits() }
    }

    /// The part of the interval that belongs to `byte`, if a point lies inside.
    pub(super) fn narrowed(&self, frequencies: &Frequencies, byte: u8) -> Option<Self> {
        let unit = self.range >> Frequencies::BITS;
        let start = unit * u64::from(frequencies.start(byte));
        let range = unit * u64::from(frequencies.count(byte));
        let (skipped, offset) = match self.offset.checked_sub(start) {
            Some(offset) => (0, offset),
            None => self.points_within(start - self.offset),
        };
        if offset >= range {
            return None;
        }
        let shift = range.leading_zeros();
        Some(Self {
            point: self.point + skipped,
            offset: offset << shift,
            range: range << shift,
            scale: self.scale.saturating_add(shift),
            bits: self.bits,
        })
    }

    /// The number of points to skip to get at least `distance` above the first, and the overshoot.
    fn points_within(&self, distance: u64) -> (u128, u64) {
        match self.scale.checked_sub(self.bits) {
            None => (u128::from(distance) << (self.bits - self.scale), 0),
            // The distance between points exceeds the interval, so there is no second one.
            Some(64..) => (0, u64::MAX),
            Some(gap) => {
                let steps = (distance >> gap) + u64::from(distance & ((1 << gap) - 1) != 0);
                (u128::from(steps), (u128::from(steps) << gap).abs_diff(u128::from(distance)) as u64)
            }
        }
    }

    /// The last point inside.
    fn last_point(&self) -> u128 {
        let above = match self.scale.checked_sub(self.bits) {
            // The last point before the end of the interval, which may be 2^128.
            None => (u128::from(self.range - 1) << (self.bits - self.scale)) | ((1 << (self.bits - self.scale)) - 1),
            Some(64..) => 0,
            Some(gap) => u128::from((self.range - 1 - self.offset) >> gap),
        };
        self.point + above
    }

    /// The shortest bit string that, followed by zeros, lies inside: the point with the most trailing zeros.
    pub(super) fn shortest(&self) -> u128 {
        let Some(before) = self.point.checked_sub(1) else { return 0 };
        let last = self.last_point();
        // All points agree above the highest bit in which these two differ. With that bit set and zeros below it, the
        // string is above `before` and at most `last`.
        let zeros = (before ^ last).checked_ilog2().unwrap_or(0);
        (last >> zeros) << zeros
    }

    /// The byte whose part of this interval contains the point `value`, and that part. `None` if there is none, as
    /// division leaves a small rest at the top of the range.
    pub(super) fn holding(&self, frequencies: &Frequencies, value: u128) -> Option<(u8, Self)> {
        let points = value.checked_sub(self.point)?;
        let distance = match self.scale.checked_sub(self.bits) {
            None => points >> (self.bits - self.scale),
            Some(64..) => u128::from(self.offset),
            Some(gap) => (points << gap) + u128::from(self.offset),
        };
        let unit = u128::from(self.range >> Frequencies::BITS);
        let byte = frequencies.last_where(|start| unit * u128::from(start) <= distance);
        let inner = self.narrowed(frequencies, byte)?;
        (inner.point <= value && value <= inner.last_point()).then_some((byte, inner))
    }
}
