//! What can a line of a segment be?

use ministate::inspect::{Header, Record};

/// A line, or a stretch of bytes that are no lines.
#[derive(Debug)]
pub(crate) struct Line<'a> {
    /// Counted from 1.
    pub(crate) number: u64,
    /// Its first byte in the file.
    pub(crate) byte: u64,
    /// How many bytes it has, without its newline.
    pub(crate) bytes: u64,
    pub(crate) content: Content<'a>,
}

/// What it says.
#[derive(Debug)]
pub(crate) enum Content<'a> {
    Header(Header),
    /// A record whose checksum is right.
    Record(Record<'a>),
    /// It has the form of a record; whether it is what was written cannot be told, since the line
    /// before it is damaged or lost.
    Adrift(Adrift<'a>),
    Mark(u64),
    End(u64),
    /// Blank bytes to the end of the file.
    Fill,
    /// Leftovers of a batch that was never acknowledged, to the end of the file.
    Torn,
    /// It is not what was written; the mutation that should begin here, where that is known.
    Damaged {
        what: &'static str,
        seq: Option<u64>,
    },
}

/// A record that cannot be checked.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Adrift<'a> {
    pub(crate) seq: u64,
    pub(crate) mutations: u64,
    pub(crate) text: &'a str,
}
