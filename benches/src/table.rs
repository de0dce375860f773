//! How are the numbers printed?

use std::fmt;

/// What a workload found.
#[derive(Debug)]
pub struct Report {
    pub title: String,
    pub table: Table,
    /// Whether the targets hold, in words.
    pub verdict: String,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\n\n{}\n{}", self.title, self.table, self.verdict)
    }
}

/// Rows whose first column is aligned left and all others right.
#[derive(Debug)]
pub struct Table(Vec<Vec<String>>);

impl Table {
    pub fn new<const COLUMNS: usize>(head: [&str; COLUMNS]) -> Table {
        Table(vec![Vec::from(head.map(String::from))])
    }

    pub fn row<const COLUMNS: usize>(&mut self, cells: [String; COLUMNS]) {
        self.0.push(Vec::from(cells));
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let columns = self.0.iter().map(Vec::len).max().unwrap_or(0);
        let width = |column: usize| {
            self.0.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max()
        };
        let widths: Vec<usize> = (0..columns).map(|column| width(column).unwrap_or(0)).collect();
        for row in &self.0 {
            for (column, (cell, width)) in row.iter().zip(&widths).enumerate() {
                match column {
                    0 => write!(f, "  {cell:<width$}")?,
                    _ => write!(f, "  {cell:>width$}")?,
                }
            }
            writeln!(f)?;
        }
        Ok(())
    }
}

/// `12,345`
pub fn count(number: f64) -> String {
    if !number.is_finite() {
        return none();
    }
    let digits = format!("{number:.0}");
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Nanoseconds as microseconds: with more digits where there are few.
pub fn micros(nanoseconds: f64) -> String {
    match nanoseconds / 1_000.0 {
        micros if !micros.is_finite() => none(),
        micros if micros < 10.0 => format!("{micros:.2}"),
        micros if micros < 1_000.0 => format!("{micros:.0}"),
        micros => count(micros),
    }
}

/// `2.4x`
pub fn ratio(ratio: f64) -> String {
    if ratio.is_finite() { format!("{ratio:.1}x") } else { none() }
}

/// Where there is nothing to say.
pub fn none() -> String {
    "-".to_string()
}

/// `holds` or `is missed`.
pub fn held(holds: bool) -> &'static str {
    if holds { "holds" } else { "is missed" }
}
