//! Reads the canonical bytes of a line, and tells bytes that ran out from bytes that are others.

use super::{Contents, OP, Tagged, VOID};

/// Why a line stopped being what it should be: its bytes ran out, or are others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stop {
    End,
    Mismatch,
}

/// The bytes of a line that are still to be read.
pub(super) struct Cursor<'a>(pub(super) &'a [u8]);

impl<'a> Cursor<'a> {
    /// Skips the literal if it stands here.
    #[inline(always)]
    pub(super) fn skip<const N: usize>(&mut self, literal: &[u8; N]) -> bool {
        match self.0.split_first_chunk() {
            Some((bytes, rest)) if bytes == literal => {
                self.0 = rest;
                true
            }
            _ => false,
        }
    }

    #[inline(always)]
    pub(super) fn literal<const N: usize>(&mut self, expected: &[u8; N]) -> Result<(), Stop> {
        if self.skip(expected) { Ok(()) } else { Err(self.stop(expected)) }
    }

    /// Why the literal does not stand here.
    #[cold]
    fn stop(&self, literal: &[u8]) -> Stop {
        if literal.starts_with(self.0) { Stop::End } else { Stop::Mismatch }
    }

    /// Reads one of the literals, and says which.
    pub(super) fn choice<const N: usize>(&mut self, literals: [&[u8]; N]) -> Result<usize, Stop> {
        for (index, literal) in literals.iter().enumerate() {
            if let Some(rest) = self.0.strip_prefix(*literal) {
                self.0 = rest;
                return Ok(index);
            }
        }
        let cut = literals.iter().any(|literal| literal.starts_with(self.0));
        Err(if cut { Stop::End } else { Stop::Mismatch })
    }

    /// Reads a number in its one way of writing: no sign, no leading zero. Something follows it.
    #[inline(always)]
    pub(super) fn number(&mut self) -> Result<u64, Stop> {
        let (mut number, mut digits) = (0_u64, 0);
        while let Some(digit) = self.0.get(digits).map(|byte| byte.wrapping_sub(b'0'))
            && digit <= 9
        {
            number = number.wrapping_mul(10).wrapping_add(digit.into());
            digits += 1;
        }
        if digits > 1 && self.0[0] == b'0' {
            return Err(Stop::Mismatch);
        }
        let (text, rest) = self.0.split_at(digits);
        if rest.is_empty() {
            return Err(Stop::End);
        }
        self.0 = rest;
        match digits {
            0 => Err(Stop::Mismatch),
            1..20 => Ok(number),
            _ => long_number(text).ok_or(Stop::Mismatch),
        }
    }

    pub(super) fn take(&mut self, bytes: u64) -> Result<&'a [u8], Stop> {
        let bytes = usize::try_from(bytes).map_err(|_| Stop::End)?;
        let (taken, rest) = self.0.split_at_checked(bytes).ok_or(Stop::End)?;
        self.0 = rest;
        Ok(taken)
    }

    /// Reads the name of an operation and its closing quote, and says how long the name is.
    fn name(&mut self) -> Result<usize, Stop> {
        let ends = |byte: &u8| !IS_OF_A_NAME[usize::from(*byte)];
        let bytes = self.0.iter().position(ends).ok_or(Stop::End)?;
        self.0 = &self.0[bytes..];
        self.literal(b"\"")?;
        Ok(bytes)
    }

    /// Reads what stands between the time stamp and `"len":`.
    pub(super) fn contents(&mut self) -> Result<Contents, Stop> {
        if self.skip(br#""n":"#) {
            let mutations = self.number()?;
            if mutations == 0 {
                return Err(Stop::Mismatch);
            }
            self.literal(b",")?;
            return Ok(Contents::Several(mutations));
        }
        if br#""n":"#.starts_with(self.0) {
            return Err(Stop::End);
        }
        match self.void()? {
            Some(reason_bytes) => Ok(Contents::Void { reason_bytes, tagged: self.tag()? }),
            None => Ok(Contents::One(self.tag()?)),
        }
    }

    /// Reads `"void":"reason",` where it stands, and says how long the reason is, in its quotes.
    #[inline]
    pub(super) fn void(&mut self) -> Result<Option<usize>, Stop> {
        if self.0.starts_with(&VOID[..2]) { self.reason().map(Some) } else { Ok(None) }
    }

    #[cold]
    fn reason(&mut self) -> Result<usize, Stop> {
        self.literal(VOID)?;
        let bytes = string_bytes(self.0)?;
        let (reason, rest) = self.0.split_at(bytes);
        let text: String = serde_json::from_slice(reason).map_err(|_| Stop::Mismatch)?;
        // There is one way to write it.
        if serde_json::to_vec(&text).ok().as_deref() != Some(reason) {
            return Err(Stop::Mismatch);
        }
        self.0 = rest;
        self.literal(b",")?;
        Ok(bytes)
    }

    /// Reads a time stamp, its closing quote and a comma. Its value is for people, its form is
    /// fixed.
    #[inline(always)]
    pub(super) fn time(&mut self) -> Result<(), Stop> {
        let Some((time, rest)) = self.0.split_first_chunk::<{ FORM.len() }>() else {
            let fits =
                |byte: u8, form: u8| byte.wrapping_sub(form) <= if form == b'0' { 9 } else { 0 };
            let begins = self.0.iter().zip(FORM).all(|(byte, form)| fits(*byte, *form));
            return Err(if begins { Stop::End } else { Stop::Mismatch });
        };
        let (words, _) = time.as_chunks::<8>();
        let misfits = words.iter().zip(FORM.as_chunks::<8>().0).fold(0, |misfits, (word, form)| {
            misfits | misfits_in(u64::from_le_bytes(*word), *form)
        });
        self.0 = rest;
        if misfits == 0 && time.ends_with(b"\",") { Ok(()) } else { Err(Stop::Mismatch) }
    }

    /// Reads `"op":"name","v":1,` where it stands.
    pub(super) fn tag(&mut self) -> Result<Option<Tagged>, Stop> {
        if self.0.starts_with(br#""l"#) {
            return Ok(None);
        }
        self.literal(OP)?;
        let name_bytes = self.name()?;
        self.literal(br#","v":"#)?;
        let version = u32::try_from(self.number()?).map_err(|_| Stop::Mismatch)?;
        self.literal(b",")?;
        Ok(Some(Tagged { name_bytes, version }))
    }

    /// Reads `"len":31,"d":`.
    #[inline(always)]
    pub(super) fn length(&mut self) -> Result<u64, Stop> {
        self.literal(br#""len":"#)?;
        let bytes = self.number()?;
        self.literal(br#","d":"#)?;
        Ok(bytes)
    }
}

/// How long the string is with which the bytes begin, in its quotes.
fn string_bytes(bytes: &[u8]) -> Result<usize, Stop> {
    let mut is_escaped = false;
    for (place, byte) in bytes.iter().enumerate() {
        match byte {
            b'"' if place > 0 && !is_escaped => return Ok(place + 1),
            _ if place == 0 && *byte != b'"' => return Err(Stop::Mismatch),
            _ => is_escaped = *byte == b'\\' && !is_escaped,
        }
    }
    Err(Stop::End)
}

/// The number of so many digits that it may be too large.
#[cold]
fn long_number(digits: &[u8]) -> Option<u64> {
    str::from_utf8(digits).ok()?.parse().ok()
}

/// A time stamp, with a 0 for any digit.
const FORM: &[u8; 26] = b"0000-00-00T00:00:00.000Z\",";

/// Not 0 where the bytes of a word are not the form's, all of them at once.
#[inline(always)]
fn misfits_in(word: u64, form: [u8; 8]) -> u64 {
    const HIGH_BITS: u64 = 0x8080_8080_8080_8080;
    // What carries a byte that is more than 9 above a 0 of the form, or not the byte of the form,
    // into its high bit.
    let room = form.map(|form| if form == b'0' { 0x7f - 9 } else { 0x7f });
    let above = word ^ u64::from_le_bytes(form);
    (((above & !HIGH_BITS) + u64::from_le_bytes(room)) | above) & HIGH_BITS
}

/// By byte, whether the name of an operation may hold it.
const IS_OF_A_NAME: [bool; 256] = {
    let mut is = [false; 256];
    let mut byte = 0;
    while byte < 128_u8 {
        is[byte as usize] = byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-');
        byte += 1;
    }
    is
};

#[cfg(test)]
mod tests {
    use super::*;

    fn number(text: &str) -> Result<(u64, &str), Stop> {
        let mut cursor = Cursor(text.as_bytes());
        let number = cursor.number()?;
        Ok((number, str::from_utf8(cursor.0).expect("it was text")))
    }

    #[test]
    fn numbers_of_any_length_are_read_up_to_the_next_byte() {
        for text in ["0", "7", "10", "987", "1234567", "12345678", "18446744073709551615"] {
            for behind in [",", "}", "/", ":", "\u{ff}", ",\"at\":\"2026"] {
                let value = text.parse().expect("a number");
                assert_eq!(number(&format!("{text}{behind}")), Ok((value, behind)));
            }
        }
    }

    #[test]
    fn numbers_that_are_written_in_another_way_are_none() {
        for text in ["", "00", "01", "0123456", "+1", "-1", "18446744073709551616"] {
            assert_eq!(number(&format!("{text},\"at\":\"")), Err(Stop::Mismatch), "{text}");
        }
    }

    #[test]
    fn time_stamps_have_digits_where_the_form_has_a_0_and_else_its_bytes() {
        let sound = *br#"2026-11-22T12:09:58.307Z","#;
        assert_eq!(Cursor(&sound).time(), Ok(()));
        for (place, form) in FORM.iter().enumerate() {
            for byte in 0..=u8::MAX {
                let mut other = sound;
                other[place] = byte;
                let fits = if *form == b'0' { byte.is_ascii_digit() } else { byte == *form };
                let expected = if fits { Ok(()) } else { Err(Stop::Mismatch) };
                assert_eq!(Cursor(&other).time(), expected, "{byte} at {place}");
                let cut = if fits { Err(Stop::End) } else { Err(Stop::Mismatch) };
                if place + 1 < sound.len() {
                    assert_eq!(Cursor(&other[..=place]).time(), cut, "{byte} at {place}");
                }
            }
        }
    }

    #[test]
    fn numbers_that_nothing_follows_have_run_out() {
        for text in ["", "0", "1234567", "12345678", "99999999999999999999999"] {
            assert_eq!(number(text), Err(Stop::End), "{text}");
        }
    }
}
