//! What do the numbers of `applies` look like: throughput by writers, one line for each peer?
#![expect(clippy::disallowed_methods, reason = "reads a table and writes a picture")]

use std::fmt::Write;
use std::fs;
use std::ops::RangeInclusive;
use std::path::Path;

use crate::{Failure, Outcome};

const WIDTH: f64 = 760.0;
const HEIGHT: f64 = 460.0;
const LEFT: f64 = 64.0;
const RIGHT: f64 = 640.0;
const TOP: f64 = 44.0;
const BOTTOM: f64 = 410.0;

/// What two names need between their lines.
const NAME_HEIGHT: f64 = 15.0;

/// Of the middle between black and white, for either background. Ours has its own.
const COLOURS: [&str; 8] =
    ["#5b8fc9", "#c98a3d", "#6aa36f", "#a678b8", "#b8777b", "#4da3a3", "#8f8f4d", "#8a8a8a"];

/// The background is the page's, and whether it is light or dark is what the reader has chosen.
const STYLE: &str = "\
text { font: 13px system-ui, sans-serif; fill: #57606a }
.title { font-size: 15px; fill: #1f2328 }
.grid { stroke: #d0d7de; stroke-width: 1 }
.line { fill: none; stroke-width: 1.75; stroke-linejoin: round }
.leader { fill: none; stroke-width: 0.75; opacity: 0.6 }
.ours { stroke: #d1481b; stroke-width: 4 }
.dot { fill: #d1481b }
.name-ours { fill: #d1481b; font-weight: 700; font-size: 15px }
.floor { stroke-dasharray: 5 4 }
@media (prefers-color-scheme: dark) {
  text { fill: #9198a1 }
  .title { fill: #f0f6fc }
  .grid { stroke: #30363d }
  .ours { stroke: #ff7b4d }
  .dot, .name-ours { fill: #ff7b4d }
}";

#[derive(Debug)]
struct Line {
    peer: String,
    /// Writers, and operations a second.
    points: Vec<(f64, f64)>,
}

pub(crate) fn run(csv: &Path, svg: &Path) -> Outcome<()> {
    let lines = read(&fs::read_to_string(csv)?)?;
    Ok(fs::write(svg, draw(&lines)?)?)
}

fn read(csv: &str) -> Outcome<Vec<Line>> {
    let mut rows = csv.lines().map(|row| row.split(',').collect::<Vec<_>>());
    let head = rows.next().ok_or("the table is empty")?;
    let column = |name: &str| {
        let at = head.iter().position(|column| *column == name);
        at.ok_or_else(|| Failure::from(format!("the table has no column {name}")))
    };
    let columns = [column("writers")?, column("peer")?, column("operations_per_second")?];
    let mut lines: Vec<Line> = Vec::new();
    for row in rows {
        let [writers, peer, speed] = columns.map(|column| row.get(column).copied().unwrap_or(""));
        let point: (f64, f64) = (writers.parse()?, speed.parse()?);
        if point.1 == 0.0 {
            // Nothing was completed in time, and a logarithmic axis has no place for that.
            continue;
        }
        match lines.iter_mut().find(|line| line.peer == peer) {
            Some(line) => line.points.push(point),
            None => lines.push(Line { peer: peer.to_string(), points: vec![point] }),
        }
    }
    // Those behind are drawn first.
    lines.sort_by_key(|line| line.peer == "ours");
    Ok(lines)
}

/// A logarithmic axis: the decades or doublings of its ends, and where these are.
struct Axis {
    ends: RangeInclusive<f64>,
    from: f64,
    to: f64,
}

impl Axis {
    fn at(&self, number: f64) -> f64 {
        let (low, high) = (self.ends.start().ln(), self.ends.end().ln());
        let share = (number.max(f64::MIN_POSITIVE).ln() - low) / (high - low).max(f64::EPSILON);
        self.from + share * (self.to - self.from)
    }
}

fn draw(lines: &[Line]) -> Outcome<String> {
    let points = || lines.iter().flat_map(|line| line.points.iter());
    let (mut writers, speeds): (Vec<f64>, Vec<f64>) = points().copied().unzip();
    writers.sort_by(f64::total_cmp);
    writers.dedup();
    let low = speeds.iter().copied().fold(f64::INFINITY, f64::min).log10().floor();
    let high = speeds.iter().copied().fold(0.0, f64::max).log10().ceil();
    let (Some(first), Some(last)) = (writers.first(), writers.last()) else {
        return Err(Failure::from("the table has no rows"));
    };
    let x = Axis { ends: *first..=*last, from: LEFT, to: RIGHT };
    let y = Axis { ends: 10_f64.powf(low)..=10_f64.powf(high), from: BOTTOM, to: TOP };

    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" \
         aria-label=\"Durable mutations a second by concurrent writers\">\n<style>\n{STYLE}\n\
         </style>\n<text class=\"title\" x=\"{LEFT}\" y=\"22\">Durable mutations a second, by \
         concurrent writers</text>\n"
    );
    for decade in low as i32..=high as i32 {
        let (number, at) = (10_f64.powi(decade), y.at(10_f64.powi(decade)));
        writeln!(svg, "<path class=\"grid\" d=\"M{LEFT} {at:.1}H{RIGHT}\"/>")?;
        let (text, name_at) = (short(number), at + 4.0);
        writeln!(
            svg,
            "<text x=\"{}\" y=\"{name_at:.1}\" text-anchor=\"end\">{text}</text>",
            LEFT - 8.0
        )?;
    }
    for number in writers {
        let at = x.at(number);
        let below = BOTTOM + 20.0;
        writeln!(svg, "<text x=\"{at:.1}\" y=\"{below}\" text-anchor=\"middle\">{number}</text>")?;
    }
    let names = spread(lines.iter().map(|line| line.points.last().map_or(BOTTOM, |p| y.at(p.1))));
    for (number, (line, name_at)) in lines.iter().zip(names).enumerate() {
        let Line { peer, points } = line;
        let path: Vec<String> = points
            .iter()
            .map(|(writers, speed)| format!("{:.1} {:.1}", x.at(*writers), y.at(*speed)))
            .collect();
        let (path, end) = (path.join("L"), points.last().copied().unwrap_or_default());
        let (end_x, end_y) = (x.at(end.0), y.at(end.1));
        let leader =
            format!("M{end_x:.1} {end_y:.1}L{:.1} {name_at:.1}H{:.1}", RIGHT + 10.0, RIGHT + 14.0);
        let (class, colour) = match peer.as_str() {
            "ours" => ("line ours", String::new()),
            _ => {
                let colour = format!(" style=\"stroke:{}\"", COLOURS[number % COLOURS.len()]);
                (if peer == "floor" { "line floor" } else { "line" }, colour)
            }
        };
        let leader_colour = if peer == "ours" { " stroke=\"#d1481b\"" } else { &colour };
        writeln!(svg, "<path class=\"{class}\"{colour} d=\"M{path}\"/>")?;
        writeln!(svg, "<path class=\"leader\"{leader_colour} d=\"{leader}\"/>")?;
        let (name, class) = match peer.as_str() {
            "ours" => ("ministate", " class=\"name-ours\""),
            "seed" => ("ministate 0.1.3", ""),
            "floor" => ("the bare disk", ""),
            other => (other, ""),
        };
        let (right, baseline) = (RIGHT + 18.0, name_at + 4.5);
        writeln!(svg, "<text{class} x=\"{right}\" y=\"{baseline:.1}\">{name}</text>")?;
        if peer == "ours" {
            for (writers, speed) in points {
                let (x, y) = (x.at(*writers), y.at(*speed));
                writeln!(svg, "<circle class=\"dot\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"5\"/>")?;
            }
        }
    }
    svg.push_str("</svg>\n");
    Ok(svg)
}

/// Moves names apart that would lie on each other, and keeps their order.
fn spread(wanted: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut places: Vec<f64> = wanted.collect();
    let mut order: Vec<usize> = (0..places.len()).collect();
    order.sort_by(|one, other| places[*one].total_cmp(&places[*other]));
    // Down from the highest, then up from the bottom, where they end below it.
    for pair in order.windows(2) {
        places[pair[1]] = places[pair[1]].max(places[pair[0]] + NAME_HEIGHT);
    }
    let mut lowest = BOTTOM + NAME_HEIGHT;
    for at in order.into_iter().rev() {
        places[at] = places[at].min(lowest - NAME_HEIGHT);
        lowest = places[at];
    }
    places
}

/// `10k`, `1M`
fn short(number: f64) -> String {
    match number {
        number if number >= 1e6 => format!("{}M", number / 1e6),
        number if number >= 1e3 => format!("{}k", number / 1e3),
        number => format!("{number}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CSV: &str = "writers,peer,operations_per_second,p50_us\n\
        1,ours,9000,100\n1,seed,4000,200\n64,ours,180000,300\n64,seed,4100,9000\n";

    #[test]
    fn every_peer_has_a_line_and_ours_is_on_top() {
        let lines = read(CSV).expect("a sound table");
        assert_eq!(lines.iter().map(|line| &line.peer).collect::<Vec<_>>(), ["seed", "ours"]);
        let svg = draw(&lines).expect("a picture");
        assert!(svg.contains(">ministate</text>") && svg.contains(">ministate 0.1.3</text>"));
        assert!(svg.contains(">1k<") && svg.contains(">1M<"), "{svg}");
    }

    #[test]
    fn names_do_not_lie_on_each_other() {
        let places = spread([400.0, 401.0, 402.0, 100.0].into_iter());
        assert_eq!(places, [380.0, 395.0, 410.0, 100.0]);
    }

    #[test]
    fn a_measurement_without_a_result_is_left_out() {
        let lines = read("writers,peer,operations_per_second\n1,sled,500\n64,sled,0\n");
        assert_eq!(lines.expect("a table")[0].points, [(1.0, 500.0)]);
    }

    #[test]
    fn a_table_without_rows_is_an_error() {
        assert!(draw(&read("writers,peer,operations_per_second\n").expect("a table")).is_err());
    }
}
