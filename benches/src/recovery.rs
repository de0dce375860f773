//! How long does it take to open a journal?
#![expect(clippy::disallowed_methods, reason = "looks at what the measured program wrote")]

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::Outcome;
use crate::machine::Place;
use crate::peers::{self, ENTRIES, Ours, Peer, Seed};
use crate::rounds::{Measure, interleave};
use crate::samples::{median, median_ratio};
use crate::settings::Settings;
use crate::table::{Report, Table, count, ratio};

pub(crate) fn run(settings: &Settings, place: &Place) -> Outcome<Report> {
    let records = settings.records;
    let (ours, seed) = (place.fresh()?, place.fresh()?);
    write_ours(&ours, records)?;
    peers::write_seed(&seed, records, ENTRIES)?;
    let bytes = [journal_bytes(&ours)?, journal_bytes(&seed)?];

    let peers: [Measure<'_, Duration>; 2] = [
        Box::new(|_| measure::<Ours>(&ours, records)),
        Box::new(|_| measure::<Seed>(&seed, records)),
    ];
    // A first round reads the files into the page cache.
    interleave(1, place, &peers)?;
    let measured = interleave(settings.rounds, place, &peers)?;
    let [ours, seed] = measured.as_slice() else { unreachable!("there are two peers") };
    let rate = |took: &Duration| records as f64 / took.as_secs_f64();
    let faster = median_ratio(ours, seed, rate);

    let mut table = Table::new(["peer", "ms", "records/s", "MB/s", "records/s : seed"]);
    for ((name, rounds), (bytes, ratio_to_seed)) in
        [("ours", ours), ("seed", seed)].into_iter().zip(bytes.into_iter().zip([faster, 1.0]))
    {
        let rate = median(rounds, rate);
        table.row([
            name.to_string(),
            format!("{:.1}", 1_000.0 * records as f64 / rate),
            count(rate),
            count(rate * bytes as f64 / records as f64 / 1e6),
            ratio(ratio_to_seed),
        ]);
    }
    Ok(Report {
        title: format!(
            "recovery: opening a journal of {} records over {} entries, from the page \
             cache; medians of {} rounds",
            count(records as f64),
            count(ENTRIES as f64),
            settings.rounds
        ),
        table,
        verdict: format!(
            "No target is set here; ours opens its journal {} as fast as the seed.",
            ratio(faster)
        ),
    })
}

fn measure<P: Peer>(dir: &Path, records: u64) -> Outcome<Duration> {
    let runtime = peers::runtime()?;
    let began = Instant::now();
    let peer = runtime.block_on(P::open(dir))?;
    let took = began.elapsed();
    if peer.sequence() != Some(records) {
        return Err(format!("{records} mutations written, {:?} there", peer.sequence()).into());
    }
    runtime.block_on(peer.close())?;
    Ok(took)
}

fn write_ours(dir: &Path, records: u64) -> Outcome<()> {
    peers::runtime()?.block_on(async {
        let peer = Arc::new(Ours::open(dir).await?);
        peers::fill(&peer, records).await?;
        peer.close().await
    })
}

fn journal_bytes(dir: &Path) -> Outcome<u64> {
    let mut bytes = 0;
    for entry in fs::read_dir(dir)? {
        bytes += entry?.metadata()?.len();
    }
    Ok(bytes)
}
