//! Reads the canonical bytes of a line, and tells bytes that ran out from bytes that are others.

use super::Contents;

/// Why a line stopped being what it should be: its bytes ran out, or are others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stop {
    End,
    Mismatch,
}

/// The bytes of a line that are still to be read.
pub(super) struct Cursor<'a>(pub(super) &'a [u8]);

impl<'a> Cursor<'a> {
    pub(super) fn literal(&mut self, expected: &[u8]) -> Result<(), Stop> {
        self.choice([expected]).map(|_| ())
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
    pub(super) fn number(&mut self) -> Result<u64, Stop> {
        let digits = self.0.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let (number, rest) = self.0.split_at(digits);
        if number.len() > 1 && number[0] == b'0' {
            return Err(Stop::Mismatch);
        }
        if rest.is_empty() {
            return Err(Stop::End);
        }
        self.0 = rest;
        str::from_utf8(number).ok().and_then(|text| text.parse().ok()).ok_or(Stop::Mismatch)
    }

    pub(super) fn take(&mut self, bytes: u64) -> Result<&'a [u8], Stop> {
        let bytes = usize::try_from(bytes).map_err(|_| Stop::End)?;
        let (taken, rest) = self.0.split_at_checked(bytes).ok_or(Stop::End)?;
        self.0 = rest;
        Ok(taken)
    }

    /// Reads a text without escapes up to its closing quote.
    fn text(&mut self, allowed: impl Fn(u8) -> bool) -> Result<&'a str, Stop> {
        let length = self.0.iter().take_while(|byte| allowed(**byte)).count();
        let (text, rest) = self.0.split_at(length);
        match rest.first() {
            None => Err(Stop::End),
            Some(b'"') => {
                self.0 = &rest[1..];
                str::from_utf8(text).map_err(|_| Stop::Mismatch)
            }
            Some(_) => Err(Stop::Mismatch),
        }
    }

    /// Reads what stands between `"at":"` and `"len":`.
    pub(super) fn time_and_contents(&mut self) -> Result<(&'a str, Contents<'a>), Stop> {
        let at = self.time()?;
        self.literal(b",")?;
        if let Some(rest) = self.0.strip_prefix(br#""n":"#) {
            self.0 = rest;
            let mutations = self.number()?;
            if mutations == 0 {
                return Err(Stop::Mismatch);
            }
            self.literal(b",")?;
            return Ok((at, Contents::Several(mutations)));
        }
        if br#""n":"#.starts_with(self.0) {
            return Err(Stop::End);
        }
        Ok((at, Contents::One(self.tag()?)))
    }

    /// Reads a time stamp and its closing quote. Its value is for people, its form is fixed.
    fn time(&mut self) -> Result<&'a str, Stop> {
        const FORM: &[u8; 24] = b"0000-00-00T00:00:00.000Z";
        let fits = |(byte, form): (&u8, &u8)| match form {
            b'0' => byte.is_ascii_digit(),
            _ => byte == form,
        };
        if !self.0.iter().zip(FORM).all(fits) {
            return Err(Stop::Mismatch);
        }
        let time = self.take(FORM.len() as u64)?;
        self.literal(b"\"")?;
        str::from_utf8(time).map_err(|_| Stop::Mismatch)
    }

    /// Reads `"op":"name","v":1,` where it stands.
    pub(super) fn tag(&mut self) -> Result<Option<(&'a str, u32)>, Stop> {
        if self.0.starts_with(br#""l"#) {
            return Ok(None);
        }
        self.literal(br#""op":""#)?;
        let name = self.text(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte))?;
        self.literal(br#","v":"#)?;
        let version = u32::try_from(self.number()?).map_err(|_| Stop::Mismatch)?;
        self.literal(b",")?;
        Ok(Some((name, version)))
    }

    /// Reads `"len":31,"d":`.
    pub(super) fn length(&mut self) -> Result<u64, Stop> {
        self.literal(br#""len":"#)?;
        let bytes = self.number()?;
        self.literal(br#","d":"#)?;
        Ok(bytes)
    }
}
