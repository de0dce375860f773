//! Does an import that was cut short lose nothing, and end at the next opening?

use std::collections::BTreeSet;
use std::path::Path;

use ministate::storage::{Fault, Simulated, Storage};
use ministate::{MiniStateError, Options, Recovery};
use ministate_tests::Inc;

use super::{Counters, Files, JOURNAL, SOUND, assert_kept, fixture, reached};

const DIR: &str = "state";

fn loaded(case: &str) -> Simulated {
    let disk = Simulated::new();
    for (name, content) in fixture(case) {
        disk.set_content(Path::new(DIR).join(name), content);
    }
    disk
}

fn opened_on(disk: &Simulated, journal: &str) -> Result<Counters, MiniStateError> {
    Options::new().storage(disk.clone()).blocking_open(DIR, journal)
}

fn files_on(disk: &Simulated) -> Files {
    let names = disk.list(Path::new(DIR)).unwrap();
    names
        .into_iter()
        .map(|name| {
            let content = disk.content(Path::new(DIR).join(&name)).unwrap();
            (name, content)
        })
        .collect()
}

/// The disks that a machine can find after what happened on this one.
fn found_later(disk: &Simulated) -> impl Iterator<Item = Simulated> {
    (0..8).map(|seed| disk.restarted(seed)).chain([disk.after_kill()])
}

/// Opens twice, with a mutation in between.
#[track_caller]
fn assert_goes_on(
    disk: &Simulated,
    (case, journal, value, seq): (&str, &str, u64, u64),
    tell: &str,
) {
    assert_kept(&fixture(case), &files_on(disk));
    let first = opened_on(disk, journal).unwrap_or_else(|error| panic!("{case} {tell}: {error}"));
    assert_eq!(reached(&first), (value, seq), "{case} {tell}");
    assert_eq!(first.blocking_apply(Inc { by: 5 }).unwrap(), seq + 1);
    drop(first);
    let disk = disk.restarted(seq);
    let second = opened_on(&disk, journal).unwrap_or_else(|error| panic!("{case} {tell}: {error}"));
    assert_eq!(reached(&second), (value + 5, seq + 1), "{case} {tell}");
    assert!(second.recovery().imported.is_none());
    assert_kept(&fixture(case), &files_on(&disk));
    let unrelated = case == "two_journals_and_one_snapshot";
    let left = |name: &&String| fixture(case).contains_key(*name) && *name != journal && !unrelated;
    let names: BTreeSet<String> = files_on(&disk).into_keys().collect();
    assert!(!names.iter().any(|name| left(&name)), "{case} {tell}: {names:?}");
}

fn calls_of_an_import(case: &str, journal: &str) -> u64 {
    let disk = loaded(case);
    let before = disk.calls();
    opened_on(&disk, journal).unwrap();
    disk.calls() - before
}

#[test]
fn an_import_survives_a_power_cut_at_any_call() {
    let mut states = 0;
    for sound in SOUND {
        let (case, journal, ..) = sound;
        for call in 0..=calls_of_an_import(case, journal) {
            let disk = loaded(case);
            disk.cut_power_at(call);
            drop(opened_on(&disk, journal));
            for (nth, found) in found_later(&disk).enumerate() {
                states += 1;
                assert_goes_on(&found, sound, &format!("power cut at {call}, disk {nth}"));
            }
        }
    }
    assert!(states > 1_000, "{states}");
}

#[test]
fn an_import_survives_two_power_cuts() {
    let several_files =
        |sound: &&(&str, &str, u64, u64)| ["interrupted_rotation", "snapshot"].contains(&sound.0);
    for sound in SOUND.iter().filter(several_files) {
        let (case, journal, ..) = *sound;
        let calls = calls_of_an_import(case, journal);
        for first in 0..=calls {
            for second in (0..=calls).step_by(3) {
                let disk = loaded(case);
                disk.cut_power_at(first);
                drop(opened_on(&disk, journal));
                let disk = disk.restarted(first + second);
                disk.cut_power_at(second);
                drop(opened_on(&disk, journal));
                let tell = format!("power cuts at {first} and {second}");
                assert_goes_on(&disk.restarted(second), *sound, &tell);
            }
        }
    }
}

#[test]
fn an_import_survives_any_failing_call() {
    for sound in SOUND {
        let (case, journal, ..) = sound;
        for call in 0..=calls_of_an_import(case, journal) {
            for fault in [Fault::Fails, Fault::Full] {
                let disk = loaded(case);
                disk.fail_at(call, fault);
                drop(opened_on(&disk, journal));
                for (nth, found) in found_later(&disk).skip(6).enumerate() {
                    assert_goes_on(&found, sound, &format!("{fault:?} at {call}, disk {nth}"));
                }
            }
        }
    }
}

/// Until the old journal has given its name free, the old program can go on with it.
#[test]
fn what_the_old_program_wrote_after_an_interrupted_import_is_there() {
    let path = Path::new(DIR).join(JOURNAL);
    let mut went_on = 0;
    for call in 0..=calls_of_an_import("counter", JOURNAL) {
        let disk = loaded("counter");
        disk.cut_power_at(call);
        drop(opened_on(&disk, JOURNAL));
        let disk = disk.restarted(call);
        let Some(mut content) = disk.content(&path) else { continue };
        if content == fixture("counter")[JOURNAL] {
            went_on += 1;
            content.extend(b"{\"by\":1000}\n");
            disk.set_content(&path, content);
            let counter = opened_on(&disk, JOURNAL).unwrap();
            assert_eq!(reached(&counter), (1_111, 4), "{call}");
            assert_eq!(counter.blocking_apply(Inc { by: 1 }).unwrap(), 5);
            drop(counter);
            assert_eq!(reached(&opened_on(&disk.restarted(0), JOURNAL).unwrap()), (1_112, 5));
        }
    }
    assert!(went_on > 5);
}

#[test]
fn an_old_journal_that_shrank_since_an_interrupted_import_has_lost_its_tail() {
    let path = Path::new(DIR).join(JOURNAL);
    // As far as the snapshot of ours.
    let snapshot = Path::new(DIR).join("counter.wal.snapshot.00000000000000000003.json");
    let mut call = 0;
    let disk = loop {
        let disk = loaded("counter");
        disk.cut_power_at(call);
        drop(opened_on(&disk, JOURNAL));
        let disk = disk.restarted(0);
        if disk.content(&snapshot).is_some() {
            break disk;
        }
        call += 1;
    };
    disk.set_content(&path, b"// MINISTORE JOURNAL v0.1.4\n{\"by\":1}\n".to_vec());
    match opened_on(&disk, JOURNAL) {
        Err(MiniStateError::LostTail { path, found: 1, synced: 3 }) => assert_eq!(path, snapshot),
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_interrupted_import_that_is_ended_is_reported() {
    let mut ended = 0;
    for call in 0..=calls_of_an_import("rotated", JOURNAL) {
        let disk = loaded("rotated");
        disk.cut_power_at(call);
        drop(opened_on(&disk, JOURNAL));
        let disk = disk.after_kill();
        let switching = disk.content(Path::new(DIR).join(JOURNAL)).is_none();
        let counter = opened_on(&disk, JOURNAL).unwrap();
        let Recovery { imported, .. } = counter.recovery();
        if switching {
            ended += 1;
            let imported = imported.as_ref().unwrap();
            assert_eq!((imported.mutations, imported.snapshot, imported.kept.len()), (8, None, 4));
        }
    }
    assert!(ended > 3);
}
