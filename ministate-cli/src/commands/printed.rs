//! How is a mutation printed?

use serde::Serialize;
use serde_json::value::RawValue;

use crate::failure::Failure;
use crate::output::Output;
use crate::reading::{Damage, Mutation, Proof};

#[derive(Serialize)]
struct Printed<'a> {
    seq: u64,
    at: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    op: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    v: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    void: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    together: Option<Together>,
    #[serde(skip_serializing_if = "Option::is_none")]
    adrift: Option<bool>,
    d: &'a RawValue,
}

#[derive(Serialize)]
struct Together {
    first: u64,
    n: u64,
}

/// Prints the mutation in a line of its own, its payload as it was written.
pub(super) fn print(output: &mut Output, mutation: &Mutation<'_>) -> Result<(), Failure> {
    let Mutation { seq, time: at, operation, payload, together, proof, .. } = *mutation;
    let void = mutation.void.as_deref();
    // A checksum proves that this was written, and not that it is JSON.
    let Ok(d) = serde_json::from_str::<&RawValue>(payload) else {
        eprintln!("ministate: the payload of mutation {seq} is not JSON; look at it with `grep`");
        return Ok(());
    };
    let (op, v) = operation.unzip();
    let together = together.map(|(first, n)| Together { first, n });
    let adrift = match proof {
        Proof::Checked => None,
        Proof::Adrift => Some(true),
    };
    output.json(&Printed { seq, at, op, v, void, together, adrift, d })
}

/// Says on standard error what is damaged.
pub(super) fn warn(damage: &Damage) {
    eprintln!("ministate: {damage}");
}
