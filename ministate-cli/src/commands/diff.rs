//! `ministate diff`: what happened between two mutations?

use ministate::storage::Storage;
use serde::Serialize;

use super::census::{counted, name_of};
use super::printed::print;
use super::states::compared;
use crate::Ending;
use crate::arguments;
use crate::failure::Failure;
use crate::output::{Count, Form, Output, Size};
use crate::reading::Files;

#[derive(Serialize)]
struct Operation<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    op: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    v: Option<u32>,
    mutations: u64,
    bytes: u64,
}

#[derive(Serialize)]
struct Summary<'a> {
    from: u64,
    to: u64,
    mutations: u64,
    /// Those among them that did not happen.
    #[serde(skip_serializing_if = "Option::is_none")]
    voided: Option<u64>,
    first_time: Option<&'a str>,
    last_time: Option<&'a str>,
}

pub(crate) fn told(
    storage: &dyn Storage,
    asked: &arguments::Diff,
    output: &mut Output,
) -> Result<Ending, Failure> {
    let (from, to) = (asked.from, asked.to.unwrap_or(u64::MAX));
    if from > to {
        return Err(Failure::BadRange { from, to });
    }
    let files = Files::chosen(storage, &asked.journal.dir, asked.journal.name.as_deref())?;
    let census = counted(
        storage,
        &files,
        (from.saturating_add(1), to),
        &mut |mutation| match asked.records {
            true => print(output, mutation),
            false => Ok(()),
        },
    )?;
    let reach = census.all.reach.as_ref();
    let to = reach.map_or(from, |reach| reach.last);
    for (key, tally) in &census.operations {
        match output.form {
            Form::Json => output.json(&Operation {
                op: key.as_ref().map(|(name, _)| name.as_str()),
                v: key.as_ref().map(|(_, version)| *version),
                mutations: tally.mutations,
                bytes: tally.bytes,
            })?,
            Form::Text => {
                let (name, size) = (name_of(key), Size(tally.bytes));
                output.line(format_args!("{name:<28} {:>10}  {size:>10}", tally.mutations))?;
            }
        }
    }
    match (output.form, reach) {
        (Form::Json, _) => output.json(&Summary {
            from,
            to,
            mutations: census.all.mutations,
            voided: Some(census.voided).filter(|voided| *voided > 0),
            first_time: reach.map(|reach| reach.first_time.as_str()),
            last_time: reach.map(|reach| reach.last_time.as_str()),
        })?,
        (Form::Text, Some(reach)) => output.line(format_args!(
            "{} behind mutation {from}, through {to}: from {} to {}",
            Count(census.all.mutations, "mutation"),
            reach.first_time,
            reach.last_time
        ))?,
        (Form::Text, None) => output.line(format_args!("nothing behind mutation {from}"))?,
    }
    if output.form == Form::Text && census.voided > 0 {
        output.line(format_args!("{} of them did not happen: void", census.voided))?;
    }
    if asked.state {
        compared(storage, &files, (from, to), output)?;
    }
    Ok(if census.damages.is_empty() { Ending::Well } else { Ending::Differs })
}
