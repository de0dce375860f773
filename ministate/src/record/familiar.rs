//! What the heads of records have in common, so that it is compared and not read again.

use super::cursor::{Cursor, Stop};
use super::{Contents, OP, Tagged};

/// The operations of the records that were read last.
#[derive(Debug, Default)]
pub(crate) struct Familiar([Operation; OPERATIONS]);

/// How many operations are remembered.
const OPERATIONS: usize = 16;

/// What stands between the time stamp and the length: `"op":"name","v":1,`.
#[derive(Debug, Default)]
struct Operation {
    /// With zeros behind; what is longer is not remembered.
    text: [u8; TEXT_BYTES],
    /// All bits of the bytes that the text has.
    mask: [u8; TEXT_BYTES],
    /// How many it has; 0 where no operation had this place.
    bytes: usize,
    tagged: Tagged,
}

const TEXT_BYTES: usize = 32;

impl Familiar {
    /// Reads what stands between the time stamp and the length, as [`Cursor::contents`] does.
    #[inline(always)]
    pub(super) fn contents(&mut self, rest: &mut Cursor<'_>) -> Result<Contents, Stop> {
        // Mutators that are written by hand give their records no name.
        if rest.0.starts_with(br#""l"#) {
            return Ok(Contents::One(None));
        }
        let operation = &mut self.0[place_of(rest.0)];
        match rest.0.first_chunk() {
            Some(bytes) if operation.begins(bytes) => {
                rest.0 = &rest.0[operation.bytes..];
                Ok(Contents::One(Some(operation.tagged)))
            }
            Some(_) | None => operation.learn(rest),
        }
    }
}

impl Operation {
    /// Whether it stands at the beginning of the bytes, all of which are compared at once.
    #[inline(always)]
    fn begins(&self, bytes: &[u8; TEXT_BYTES]) -> bool {
        let known = self.text.iter().zip(&self.mask);
        let others = bytes
            .iter()
            .zip(known)
            .fold(0, |others, (byte, (known, mask))| others | (byte & mask) ^ known);
        others == 0 && self.bytes > 0
    }

    #[cold]
    fn learn(&mut self, rest: &mut Cursor<'_>) -> Result<Contents, Stop> {
        let whole = rest.0;
        let contents = rest.contents()?;
        if let Contents::One(Some(tagged)) = contents {
            let text = &whole[..whole.len() - rest.0.len()];
            if text.len() <= TEXT_BYTES {
                *self = Operation { bytes: text.len(), tagged, ..Operation::default() };
                self.text[..text.len()].copy_from_slice(text);
                self.mask[..text.len()].fill(u8::MAX);
            }
        }
        Ok(contents)
    }
}

/// By the bytes with which the name begins. Two operations in one place only take longer.
#[inline(always)]
fn place_of(contents: &[u8]) -> usize {
    let name = contents.get(OP.len()..).and_then(|name| name.first_chunk());
    let name = u64::from_le_bytes(name.copied().unwrap_or_default());
    (name.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) as usize % OPERATIONS
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is read, and what is left, by one that knows the operations of `known`.
    fn read<'a>(known: &[&str], text: &'a str) -> Result<(Contents, &'a [u8]), Stop> {
        let mut familiar = Familiar::default();
        for known in known {
            familiar.contents(&mut Cursor(known.as_bytes())).expect("it is well written");
        }
        let mut rest = Cursor(text.as_bytes());
        familiar.contents(&mut rest).map(|contents| (contents, rest.0))
    }

    #[test]
    fn what_was_read_before_changes_nothing() {
        let known: Vec<String> = (0..100)
            .map(|number| format!(r#""op":"deposit_{number}","v":{number},"len":0"#))
            .collect();
        let known: Vec<&str> = known.iter().map(String::as_str).collect();
        let known =
            [&known[..], &[r#""op":"an_operation_of_a_longer_name","v":1,"len":0"#]].concat();
        for text in [
            r#""op":"an_operation_of_a_longer_name","v":1,"len":7,"d":[1]"#,
            r#""op":"deposit_99","v":99,"len":7,"d":[1,2,3]"#,
            r#""op":"deposit_99","v":98,"len":7,"d":[1,2,3]"#,
            r#""op":"deposit_99","v":99,"len":7"#,
            r#""op":"deposit_99","v":9,"len":7"#,
            r#""op":"deposit_99","v":999,"len":7"#,
            r#""op":"deposit_9","v":99,"len":7"#,
            r#""op":"deposit_99","v":099,"len":7"#,
            r#""op":"deposit_99","v":99"#,
            r#""op":"deposit_99"#,
            r#""op":"deposit 99","v":99,"len":7"#,
            r#""op":"","v":1,"len":7"#,
            r#""len":7"#,
            r#""n":2,"len":7"#,
            r#""n":0,"len":7"#,
            "",
        ] {
            assert_eq!(read(&known, text), read(&[], text), "{text}");
            assert_eq!(read(&[], text).map(|read| read.0), Cursor(text.as_bytes()).contents());
        }
    }
}
