//! How do answers reach people and programs?

use std::fmt;
use std::io::{self, BufWriter, IsTerminal, Stdout, Write};

use serde::Serialize;

use crate::failure::Failure;

/// For whom an answer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// People.
    Text,
    /// Programs: one JSON object a line.
    Json,
}

/// What a word is to its reader.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tone {
    Good,
    Bad,
    Title,
    Aside,
}

/// Standard output.
pub(crate) struct Output {
    out: BufWriter<Stdout>,
    pub(crate) form: Form,
    colour: Colour,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Colour {
    On,
    Off,
}

impl Output {
    pub(crate) fn new(form: Form) -> Output {
        let is_wanted = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        let is_dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        let colour = match io::stdout().is_terminal() && is_wanted && !is_dumb {
            true => Colour::On,
            false => Colour::Off,
        };
        Output { out: BufWriter::with_capacity(64 * 1024, io::stdout()), form, colour }
    }

    /// Writes a line for people.
    pub(crate) fn line(&mut self, text: fmt::Arguments<'_>) -> Result<(), Failure> {
        self.out.write_fmt(text)?;
        Ok(self.out.write_all(b"\n")?)
    }

    /// Writes an object for programs, in a line.
    pub(crate) fn json(&mut self, object: &impl Serialize) -> Result<(), Failure> {
        serde_json::to_writer(&mut self.out, object).map_err(io::Error::from)?;
        Ok(self.out.write_all(b"\n")?)
    }

    /// Lets who follows see what was written.
    pub(crate) fn flush(&mut self) -> Result<(), Failure> {
        Ok(self.out.flush()?)
    }

    /// The text, in its colour where somebody sees colours.
    pub(crate) fn toned(&self, tone: Tone, text: impl fmt::Display) -> String {
        let code = match tone {
            Tone::Good => "32",
            Tone::Bad => "31;1",
            Tone::Title => "1",
            Tone::Aside => "2",
        };
        match self.colour {
            Colour::On => format!("\u{1b}[{code}m{text}\u{1b}[0m"),
            Colour::Off => text.to_string(),
        }
    }
}

/// A number of bytes as people say it.
pub(crate) struct Size(pub(crate) u64);

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];
        let mut size = self.0 as f64;
        let mut unit = None;
        for name in UNITS {
            if size < 1024.0 {
                break;
            }
            size /= 1024.0;
            unit = Some(name);
        }
        let text = match unit {
            Some(unit) => format!("{size:.1} {unit}"),
            None => format!("{} B", self.0),
        };
        f.pad(&text)
    }
}

/// So many of a thing: `1 record`, `2 records`.
pub(crate) struct Count<'a>(pub(crate) u64, pub(crate) &'a str);

impl fmt::Display for Count<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}{}", self.0, self.1, if self.0 == 1 { "" } else { "s" })
    }
}
