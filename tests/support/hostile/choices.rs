//! How do arbitrary bytes choose? A byte or more at a time; nothing is chosen by none.

/// Bytes that choose; those that were used are gone.
#[derive(Debug, Clone, Copy)]
pub(super) struct Choices<'a>(pub(super) &'a [u8]);

impl Choices<'_> {
    /// A number from 0 up to, and without, `bound`; 0 where no bytes are left.
    pub(super) fn below(&mut self, bound: u64) -> u64 {
        let bytes = match bound {
            0..=0x100 => 1,
            0x101..=0x1_0000 => 2,
            _ => 8,
        };
        let (chosen, rest) = self.0.split_at(self.0.len().min(bytes));
        self.0 = rest;
        let number = chosen.iter().fold(0, |number, byte| number << 8 | u64::from(*byte));
        number % bound.max(1)
    }

    /// One of them, of which there is at least one.
    pub(super) fn one_of<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len() as u64) as usize]
    }
}
