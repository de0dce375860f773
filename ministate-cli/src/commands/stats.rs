//! `ministate stats`: how much of what, and when?

use ministate::storage::Storage;
use serde::Serialize;

use super::census::{Census, counted, name_of};
use crate::Ending;
use crate::arguments::Journal;
use crate::failure::Failure;
use crate::output::{Count, Form, Output, Size, Tone};
use crate::reading::Files;

#[derive(Serialize)]
struct Stats {
    mutations: u64,
    /// Those among them that are not applied.
    #[serde(skip_serializing_if = "Option::is_none")]
    voided: Option<u64>,
    records: u64,
    bytes: u64,
    first: Option<u64>,
    last: Option<u64>,
    first_time: Option<String>,
    last_time: Option<String>,
    operations: Vec<Operation>,
    sizes: Vec<SizeClass>,
    times: Vec<Time>,
}

#[derive(Serialize)]
struct Operation {
    op: Option<String>,
    v: Option<u32>,
    mutations: u64,
    bytes: u64,
}

#[derive(Serialize)]
struct SizeClass {
    bytes_below: u64,
    records: u64,
}

#[derive(Serialize)]
struct Time {
    at: String,
    mutations: u64,
}

pub(crate) fn told(
    storage: &dyn Storage,
    asked: &Journal,
    output: &mut Output,
) -> Result<Ending, Failure> {
    let files = Files::chosen(storage, &asked.dir, asked.name.as_deref())?;
    let census = counted(storage, &files, (0, u64::MAX), &mut |_| Ok(()))?;
    let stats = stats(&census);
    match output.form {
        Form::Json => output.json(&stats)?,
        Form::Text => for_people(&stats, &census, output)?,
    }
    Ok(if census.damages.is_empty() { Ending::Well } else { Ending::Differs })
}

fn stats(census: &Census) -> Stats {
    let reach = census.all.reach.as_ref();
    let operation = |(key, tally): (&super::census::Key, &super::census::Tally)| {
        let (op, v) = key.clone().unzip();
        Operation { op, v, mutations: tally.mutations, bytes: tally.bytes }
    };
    let mut operations: Vec<Operation> = census.operations.iter().map(operation).collect();
    operations.sort_by_key(|operation| std::cmp::Reverse(operation.mutations));
    let size = |(exponent, records): (&u32, &u64)| {
        let bytes_below = 1_u64.checked_shl(*exponent).unwrap_or(u64::MAX);
        SizeClass { bytes_below, records: *records }
    };
    let time = |(at, mutations): (&String, &u64)| Time { at: at.clone(), mutations: *mutations };
    Stats {
        mutations: census.all.mutations,
        voided: Some(census.voided).filter(|voided| *voided > 0),
        records: census.records,
        bytes: census.line_bytes,
        first: reach.map(|reach| reach.first),
        last: reach.map(|reach| reach.last),
        first_time: reach.map(|reach| reach.first_time.clone()),
        last_time: reach.map(|reach| reach.last_time.clone()),
        operations,
        sizes: census.sizes.iter().map(size).collect(),
        times: census.times.iter().map(time).collect(),
    }
}

fn for_people(stats: &Stats, census: &Census, output: &mut Output) -> Result<(), Failure> {
    let mutations = Count(stats.mutations, "mutation");
    let records = Count(stats.records, "record");
    output.line(format_args!("{mutations} in {records}, {}", Size(stats.bytes)))?;
    if let Some(reach) = &census.all.reach {
        output.line(format_args!(
            "from {} at {} to {} at {}",
            reach.first, reach.first_time, reach.last, reach.last_time
        ))?;
    }
    if let Some(voided) = stats.voided {
        output.line(format_args!("{voided} not applied: void"))?;
    }
    let most = stats.operations.iter().map(|operation| operation.mutations).max();
    title(output, "operations")?;
    for operation in &stats.operations {
        let name = name_of(&operation.op.clone().zip(operation.v));
        let average = operation.bytes / operation.mutations.max(1);
        let about = format!("{:>10} a payload", Size(average));
        bar(output, &name, operation.mutations, most, &about)?;
    }
    title(output, "bytes of a record")?;
    let most = stats.sizes.iter().map(|size| size.records).max();
    for size in &stats.sizes {
        bar(output, &format!("below {}", Size(size.bytes_below)), size.records, most, "")?;
    }
    title(output, "mutations by time")?;
    let most = stats.times.iter().map(|time| time.mutations).max();
    for time in &stats.times {
        bar(output, &time.at, time.mutations, most, "")?;
    }
    Ok(())
}

fn title(output: &mut Output, text: &str) -> Result<(), Failure> {
    let text = output.toned(Tone::Title, text);
    output.line(format_args!("\n{text}"))
}

/// A line of a histogram.
fn bar(
    output: &mut Output,
    name: &str,
    count: u64,
    most: Option<u64>,
    about: &str,
) -> Result<(), Failure> {
    const WIDTH: u64 = 30;
    let most = most.unwrap_or(1).max(1);
    let width = (u128::from(count) * u128::from(WIDTH)).div_ceil(u128::from(most)) as usize;
    let bar = "#".repeat(width);
    let line = format!("  {name:<24} {count:>10}  {bar:<30} {about}");
    output.line(format_args!("{}", line.trim_end()))
}
