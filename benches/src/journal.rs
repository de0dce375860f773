//! How many records did one sync of ours make durable?
#![expect(clippy::disallowed_methods, reason = "reads what the measured program wrote")]

use std::fs;
use std::path::Path;

use crate::Outcome;

/// Records for each batch, on average over all segments of the directory. A record that is not
/// the first of its batch says its place in it, as `"b"`, between `"seq"` and `"at"`.
pub fn records_per_sync(dir: &Path) -> Outcome<f64> {
    let (mut records, mut batches) = (0_u64, 0_u64);
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        if path.extension().is_none_or(|extension| extension != "jsonl") {
            continue;
        }
        for line in fs::read(path)?.split(|byte| *byte == b'\n') {
            let Some(rest) = line.strip_prefix(br#"{"seq":"#) else {
                continue;
            };
            let comma = rest.iter().position(|byte| *byte == b',').unwrap_or(0);
            records += 1;
            batches += u64::from(!rest[comma..].starts_with(br#","b":"#));
        }
    }
    Ok(records as f64 / batches as f64)
}
