//! Values of options: what stands behind them, and what is no such value.

use std::ops::Range;
use std::str::FromStr;

use equalinfo::message::Check;
use equalinfo_codec::WindowBits;
use equalinfo_codec::container::MAXIMUM_BLOCK_SIZE;

/// The width of a window.
///
/// # Errors
/// Anything but the widths of the paper.
pub fn window_bits(text: &str) -> Result<WindowBits, String> {
    let bits = text.parse().ok().and_then(WindowBits::from_bits);
    bits.filter(|bits| WindowBits::STANDARD.contains(bits))
        .ok_or_else(|| format!("expected 16, 24, 32, 64 or 128, found '{text}'"))
}

/// The bits of a message's check.
///
/// # Errors
/// Anything but 0, 8 and 16.
pub fn check(text: &str) -> Result<Check, String> {
    match text {
        "0" => Ok(Check::None),
        "8" => Ok(Check::Bits8),
        "16" => Ok(Check::Bits16),
        _ => Err(format!("expected 0, 8 or 16, found '{text}'")),
    }
}

/// The width of a token.
///
/// # Errors
/// Anything but 8 and 16.
pub fn token_bits(text: &str) -> Result<u32, String> {
    match text {
        "8" => Ok(8),
        "16" => Ok(16),
        _ => Err(format!("expected 8 (256 tokens) or 16 (65,536 tokens), found '{text}'")),
    }
}

/// A finite number above zero: a rate, a norm, a time.
///
/// # Errors
/// Anything else.
pub fn positive<T: FromStr + Into<f64> + Copy>(text: &str) -> Result<T, String> {
    finite(text)
        .filter(|&number: &T| number.into() > 0.0)
        .ok_or_else(|| format!("expected a number above 0, found '{text}'"))
}

/// A finite number that is not negative: a weight, a temperature.
///
/// # Errors
/// Anything else.
pub fn not_negative<T: FromStr + Into<f64> + Copy>(text: &str) -> Result<T, String> {
    finite(text)
        .filter(|&number: &T| number.into() >= 0.0)
        .ok_or_else(|| format!("expected a number from 0, found '{text}'"))
}

/// A share: 0 to 1.
///
/// # Errors
/// Anything else.
pub fn share<T: FromStr + Into<f64> + Copy>(text: &str) -> Result<T, String> {
    let within = |number: &T| (0.0..=1.0).contains(&(*number).into());
    finite(text).filter(within).ok_or_else(|| format!("expected a number from 0 to 1, found '{text}'"))
}

/// A probability that something can have: above 0, at most 1.
///
/// # Errors
/// Anything else.
pub fn probability<T: FromStr + Into<f64> + Copy>(text: &str) -> Result<T, String> {
    let within = |&number: &T| number.into() > 0.0 && number.into() <= 1.0;
    finite(text).filter(within).ok_or_else(|| format!("expected a number above 0, at most 1, found '{text}'"))
}

fn finite<T: FromStr + Into<f64> + Copy>(text: &str) -> Option<T> {
    text.parse().ok().filter(|&number: &T| number.into().is_finite())
}

/// How many there are, at least one: `400`, `64K`, `400M`, `2G` (powers of 1000).
///
/// # Errors
/// Anything else.
pub fn count<T: TryFrom<u64>>(text: &str) -> Result<T, String> {
    let digits = text.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
    let scale = match text[digits.len()..].to_ascii_lowercase().as_str() {
        "" => Some(1),
        "k" => Some(1000),
        "m" => Some(1_000_000),
        "g" => Some(1_000_000_000),
        _ => None,
    };
    let number = scale.and_then(|scale: u64| digits.parse::<u64>().ok()?.checked_mul(scale));
    number
        .filter(|&number| number > 0)
        .and_then(|number| T::try_from(number).ok())
        .ok_or_else(|| format!("expected a number from 1, such as 500, 64K or 400M; found '{text}'"))
}

/// The smallest block. A block costs up to 48 bytes beside its code (a header, a line of the index): 1.2% of this one.
pub const SMALLEST_BLOCK: u64 = 4 << 10;

/// Bytes of text in a block.
///
/// # Errors
/// Less than [`SMALLEST_BLOCK`], more than the format has, or no size.
pub fn block_size(text: &str) -> Result<u64, String> {
    let bytes = size(text)?;
    let within = SMALLEST_BLOCK..=u64::from(MAXIMUM_BLOCK_SIZE);
    within.contains(&bytes).then_some(bytes).ok_or_else(|| {
        format!("expected 4K to {}M, as smaller blocks make larger streams; found '{text}'", MAXIMUM_BLOCK_SIZE >> 20)
    })
}

/// A number of bytes: `65536`, `64K`, `10M`, `1G` (powers of 1024).
///
/// # Errors
/// Anything else.
pub fn size(text: &str) -> Result<u64, String> {
    let digits = text.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
    let scale = match text[digits.len()..].to_ascii_lowercase().as_str() {
        "" | "b" => 0,
        "k" | "kb" | "kib" => 10,
        "m" | "mb" | "mib" => 20,
        "g" | "gb" | "gib" => 30,
        _ => return Err(format!("expected a number of bytes such as 65536, 64K or 10M; found '{text}'")),
    };
    digits
        .parse::<u64>()
        .ok()
        .and_then(|number| number.checked_mul(1 << scale))
        .ok_or_else(|| format!("expected a number of bytes such as 65536, 64K or 10M; found '{text}'"))
}

/// A range such as `100..200`, the end not included; either side may be left out.
pub fn range(text: &str) -> Result<Range<u64>, String> {
    let parse = || {
        let (start, end) = text.split_once("..")?;
        let start = if start.is_empty() { 0 } else { start.parse().ok()? };
        let end = if end.is_empty() { u64::MAX } else { end.parse().ok()? };
        (start <= end).then_some(start..end)
    };
    parse().ok_or_else(|| format!("expected a..b with a <= b, such as 100..200, found '{text}'"))
}

#[cfg(test)]
mod tests {
    use super::{block_size, count, not_negative, positive, probability, share, size};

    #[test]
    fn numbers_that_cannot_be_meant_are_refused() {
        for wrong in ["nan", "inf", "-inf", "-1", "", "x", "1e99"] {
            assert!(positive::<f32>(wrong).is_err(), "{wrong}");
            assert!(not_negative::<f32>(wrong).is_err(), "{wrong}");
            assert!(share::<f32>(wrong).is_err(), "{wrong}");
            assert!(probability::<f32>(wrong).is_err(), "{wrong}");
        }
        assert_eq!(positive::<f64>("1e-4"), Ok(1e-4));
        assert!(positive::<f64>("0").is_err() && probability::<f64>("0").is_err());
        assert_eq!((not_negative::<f64>("0"), share::<f64>("1"), probability::<f64>("1")), (Ok(0.0), Ok(1.0), Ok(1.0)));
        assert!(share::<f64>("1.01").is_err() && probability::<f64>("1.01").is_err());
    }

    #[test]
    fn counts_have_suffixes_of_thousands() {
        assert_eq!(
            (count("1"), count("64k"), count("400M"), count("2G")),
            (Ok(1), Ok(64_000u64), Ok(400_000_000), Ok(2_000_000_000))
        );
        for wrong in ["0", "-1", "1.5", "4T", "", "M", "99999999999G"] {
            assert!(count::<u64>(wrong).is_err(), "{wrong}");
        }
        assert!(count::<u32>("5G").is_err());
    }

    #[test]
    fn blocks_are_worth_their_headers() {
        assert_eq!((block_size("4096"), block_size("256M")), (Ok(4096), Ok(256 << 20)));
        for wrong in ["0", "1", "4095", "257M"] {
            assert!(block_size(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn sizes_have_suffixes() {
        assert_eq!(size("65536"), Ok(65536));
        assert_eq!(size("64K"), Ok(65536));
        assert_eq!(size("3MiB"), Ok(3 << 20));
        for wrong in ["", "K", "1.5M", "12Q", "99999999999G", "-1"] {
            assert!(size(wrong).is_err(), "{wrong}");
        }
    }
}
