//! How long does it take to open a journal?
#![expect(clippy::disallowed_methods, reason = "looks at what the measured program wrote")]

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::Outcome;
use crate::bounded::{self, TARGET_MEGABYTES};
use crate::machine::Place;
use crate::peers::{self, MapOp, Ours, Peer, Seed};
use crate::rounds::{Measure, interleave};
use crate::samples::{median, median_ratio};
use crate::settings::Settings;
use crate::table::{Report, Table, count, held, ratio};

pub(crate) fn run(settings: &Settings, place: &Place) -> Outcome<Report> {
    let (records, keys) = (settings.records, settings.keys);
    let (ours, derived, seed) = (place.fresh()?, place.fresh()?, place.fresh()?);
    write_ours::<Ours>(&ours, records, keys)?;
    write_ours::<Ours<MapOp>>(&derived, records, keys)?;
    peers::write_seed(&seed, records, keys)?;
    // In a process of its own, and before this one measures times.
    let memory = bounded::memory(&ours)?;
    let bytes = [journal_bytes(&ours)?, journal_bytes(&derived)?, journal_bytes(&seed)?];

    let peers: [Measure<'_, Duration>; 3] = [
        Box::new(|_| measure::<Ours>(&ours, records)),
        Box::new(|_| measure::<Ours<MapOp>>(&derived, records)),
        Box::new(|_| measure::<Seed>(&seed, records)),
    ];
    // A first round reads the files into the page cache.
    interleave(1, place, &peers)?;
    let measured = interleave(settings.rounds, place, &peers)?;
    let [ours, derived, seed] = measured.as_slice() else { unreachable!("there are three peers") };
    let rate = |took: &Duration| records as f64 / took.as_secs_f64();
    let faster = median_ratio(ours, seed, rate);
    let ratios = [faster, median_ratio(derived, seed, rate), 1.0];

    let mut table = Table::new(["peer", "ms", "records/s", "MB/s", "records/s : seed"]);
    for ((name, rounds), (bytes, ratio_to_seed)) in
        [("ours", ours), ("ours, derived", derived), ("seed", seed)]
            .into_iter()
            .zip(bytes.into_iter().zip(ratios))
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
            count(keys as f64),
            settings.rounds
        ),
        table,
        verdict: format!(
            "The target of 3x the seed over as many keys as records, and 4.5x over 10,000: ours is \
             {} as fast. {}",
            ratio(faster),
            match memory {
                Some(megabytes) => format!(
                    "At most {TARGET_MEGABYTES} MB beside the state {} ({megabytes:.1} MB).",
                    held(megabytes <= TARGET_MEGABYTES)
                ),
                None => "Memory is not known here.".to_string(),
            }
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

fn write_ours<P: Peer>(dir: &Path, records: u64, keys: u64) -> Outcome<()> {
    peers::runtime()?.block_on(async {
        let peer = Arc::new(P::open(dir).await?);
        peers::fill(&peer, records, keys).await?;
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
