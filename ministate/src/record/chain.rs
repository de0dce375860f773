//! The checksums that tie each line to the one before it.

use std::fmt;

/// The checksum of the last record or header, which the next line's covers: a link of a chain.
///
/// CRC-32C (Castagnoli). A line that was altered, lost, repeated or moved breaks the chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Chain(u32);

impl Chain {
    /// What stands in place of a link before headers and head files, and as `prev` in the first.
    pub(crate) const START: Chain = Chain(0);

    /// The checksum of a line that follows `self`: over `self` in hexadecimal, then the line's
    /// bytes up to its `,"crc":`.
    #[inline]
    pub(crate) fn link(self, line: &[u8]) -> Chain {
        Chain(crc32c::crc32c_append(self.of_digits(), line))
    }

    /// The CRC-32C of `self` in hexadecimal: the digits of one place each add theirs by themselves.
    #[inline]
    fn of_digits(self) -> u32 {
        let digit = |place: usize| (self.0 >> (28 - 4 * place)) as usize % 16;
        (0..8).fold(OF_EIGHT_ZEROS, |sum, place| sum ^ OF_DIGITS[place][digit(place)])
    }

    /// [`link`](Self::link) for bytes that come in pieces, of which `self` has the earlier ones.
    pub(crate) fn extend(self, piece: &[u8]) -> Chain {
        Chain(crc32c::crc32c_append(self.0, piece))
    }

    /// In hexadecimal: all digits at once, each in a byte of its own, the first in the lowest one.
    #[inline]
    pub(crate) fn hex(self) -> [u8; 8] {
        const ONES: u64 = 0x0101_0101_0101_0101;
        let mut digits = u64::from(self.0.swap_bytes());
        digits = (digits | digits << 16) & 0x0000_ffff_0000_ffff;
        digits = (digits | digits << 8) & 0x00ff_00ff_00ff_00ff;
        digits = (digits >> 4 | digits << 8) & (0x0f * ONES);
        let letters = (digits + 6 * ONES) >> 4 & ONES;
        (digits + u64::from(b'0') * ONES + u64::from(b'a' - b'9' - 1) * letters).to_le_bytes()
    }

    pub(crate) fn parse(hex: &[u8]) -> Option<Chain> {
        let canonical = |digit: &u8| matches!(digit, b'0'..=b'9' | b'a'..=b'f');
        if hex.len() != 8 || !hex.iter().all(canonical) {
            return None;
        }
        u32::from_str_radix(str::from_utf8(hex).ok()?, 16).ok().map(Chain)
    }
}

impl fmt::Display for Chain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}", self.0)
    }
}

/// The CRC-32C of eight bytes that are 0.
const OF_EIGHT_ZEROS: u32 = 0x8c28_b28a;

/// What a digit of a checksum adds to the CRC-32C of all eight, by its place and its value.
const OF_DIGITS: [[u32; 16]; 8] = {
    const POLYNOMIAL: u32 = 0x82f6_3b78;
    let mut of_digits = [[0; 16]; 8];
    let mut place = 0;
    while place < 8 {
        let mut value = 0;
        while value < 16 {
            let mut register = b"0123456789abcdef"[value] as u32;
            let mut bits = 8 * (8 - place);
            while bits > 0 {
                register = (register >> 1) ^ (POLYNOMIAL * (register & 1));
                bits -= 1;
            }
            of_digits[place][value] = register;
            value += 1;
        }
        place += 1;
    }
    of_digits
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksum_of_a_line_of_any_length_is_that_of_the_digits_and_the_line() {
        let bytes: Vec<u8> = (0..400).map(|place| place as u8 ^ 0x5a).collect();
        let previous = Chain(0x9f3a_11c2);
        for length in 0..bytes.len() {
            let covered = [b"9f3a11c2", &bytes[..length]].concat();
            assert_eq!(
                previous.link(&bytes[..length]),
                Chain(crc32c::crc32c(&covered)),
                "{length}"
            );
        }
    }

    #[test]
    fn checksum_of_the_digits_is_right_for_every_digit_in_every_place() {
        for digit in 0..16 {
            for place in 0..8 {
                let previous = Chain(digit << (4 * place));
                assert_eq!(previous.link(b"").0, crc32c::crc32c(&previous.hex()), "{previous}");
            }
        }
    }

    #[test]
    fn checksum_is_written_in_hexadecimal_and_read_back() {
        for checksum in [0, 1, 0x0123_4567, 0x89ab_cdef, 0x9a09_af90, u32::MAX] {
            let hex = Chain(checksum).hex();
            assert_eq!(hex, *format!("{checksum:08x}").as_bytes());
            assert_eq!(Chain::parse(&hex), Some(Chain(checksum)));
        }
    }
}
