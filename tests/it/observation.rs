//! What an operator sees of a manager: metrics with names that stay, events for trouble, and no word
//! of what a mutation holds.

mod promised;
mod witness;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::task::{Context, Waker};

use ministate::metrics as names;
use ministate::storage::{Fault, Simulated};
use ministate::{Disposal, Mutations, Options, SnapshotEvery};
use ministate_tests::{Counter, Gated, Inc, JOURNAL, Lists, Push, open_simulated, push};
use serde::{Deserialize, Serialize};
use tempfile::TempDir;
use tokio::runtime::Builder;
use tracing::Level;
use witness::{Recorded, Value, Witness};

/// What the journal is called in labels and fields.
const LISTS: &str = "lists/list.wal.jsonl";

fn open(disk: &Simulated) -> Lists {
    open_simulated(disk, u64::MAX).unwrap()
}

fn samples<'a>(recorded: &'a Recorded, name: &str) -> &'a [f64] {
    recorded.get(name).map_or(&[], Value::samples)
}

#[test]
fn each_batch_is_one_sample_of_sync_latency() {
    let (witness, disk) = (Witness::new(), Simulated::new());
    witness.during(|| {
        let lists = open(&disk);
        let syncs = disk.counts().syncs;
        for entry in 0..3 {
            lists.blocking_apply(push(entry)).unwrap();
        }
        lists.blocking_apply_batch([push(3), push(4)]).unwrap();
        let recorded = witness.recorded(LISTS);
        let latencies = samples(&recorded, names::SYNC_SECONDS);
        assert_eq!(latencies.len() as u64, disk.counts().syncs - syncs);
        let commits = samples(&recorded, names::COMMIT_SECONDS);
        assert_eq!(commits.len(), 4);
        let mut both = latencies.iter().zip(commits);
        assert!(both.all(|(sync, commit)| sync <= commit), "{latencies:?} {commits:?}");
        assert_eq!(samples(&recorded, names::BATCH_RECORDS), [1.0; 4]);
        assert_eq!(recorded[names::RECORDS], Value::Counter(4));
        assert_eq!(recorded[names::SEQUENCE], Value::Gauge(5.0));
        let content = String::from_utf8(disk.content(LISTS).unwrap()).unwrap();
        let records = content.lines().filter(|line| line.starts_with("{\"seq\""));
        let bytes = records.map(|line| line.len() as u64 + 1).sum();
        assert_eq!(recorded[names::WRITTEN_BYTES], Value::Counter(bytes));
    });
}

/// They are on threads of a runtime, and none of them leads in the span of a caller.
#[test]
fn callers_who_wait_while_the_disk_works_are_seen_and_share_one_sample() {
    let (witness, gated) = (Witness::new(), Gated::default());
    let mut builder = Builder::new_multi_thread();
    builder.worker_threads(2);
    let runtime = witness.runtime(builder);
    let options = Options::new().storage(gated.clone());
    let lists: Arc<Lists> = Arc::new(options.blocking_open("lists", JOURNAL).unwrap());
    gated.shut();
    let first = {
        let lists = Arc::clone(&lists);
        runtime.spawn(async move { lists.apply(push(0)).await })
    };
    gated.wait_for_a_sync();
    let waiting = || witness.recorded(LISTS).get(names::WAITING_REQUESTS).cloned();
    let counts = witness.during(|| {
        let _entered = runtime.enter();
        let _request = tracing::info_span!("request").entered();
        let mut applies: Vec<_> = (1..5).map(|entry| Box::pin(lists.apply(push(entry)))).collect();
        for apply in &mut applies {
            let poll = apply.as_mut().poll(&mut Context::from_waker(Waker::noop()));
            assert!(poll.is_pending());
        }
        let all_wait = waiting();
        drop(applies.pop());
        let counts = (all_wait, waiting());
        gated.open();
        runtime.block_on(async {
            first.await.unwrap().unwrap();
            for apply in applies {
                apply.await.unwrap();
            }
        });
        counts
    });
    assert_eq!(counts, (Some(Value::Gauge(4.0)), Some(Value::Gauge(3.0))));
    let recorded = witness.recorded(LISTS);
    assert_eq!(recorded[names::WAITING_REQUESTS], Value::Gauge(0.0));
    assert_eq!(recorded[names::RECORDS], Value::Counter(4));
    assert_eq!(samples(&recorded, names::SYNC_SECONDS).len(), 2);
    assert_eq!(samples(&recorded, names::BATCH_RECORDS), [1.0, 3.0]);
    let told = witness.told();
    let durable: Vec<_> = told.iter().filter(|told| told.what == "a batch is durable").collect();
    let of = |field: &str| durable.iter().map(|told| &*told.fields[field]).collect::<Vec<_>>();
    assert_eq!((of("seq"), of("records")), (vec!["1", "4"], vec!["1", "3"]));
    assert!(durable.iter().all(|told| told.within == ["ministate.commit"]), "{durable:?}");
}

#[test]
fn work_on_another_thread_happens_within_the_span_of_its_caller() {
    let witness = Witness::new();
    for builder in [Builder::new_current_thread(), Builder::new_multi_thread()] {
        let runtime = witness.runtime(builder);
        witness.during(|| {
            runtime.block_on(async {
                let _request = tracing::info_span!("request").entered();
                let options = Options::new().storage(Simulated::new());
                let lists: Lists = options.open("lists", JOURNAL).await.unwrap();
                lists.apply(push(0)).await.unwrap();
                lists.create_snapshot().await.unwrap();
                lists.compact().await.unwrap();
                lists.backup("backups/monday").await.unwrap();
                lists.blocking_apply(push(1)).unwrap();
            });
        });
    }
    let told = witness.told();
    for (what, within) in [
        ("ministate.open", &["request"][..]),
        ("ministate.recover", &["request", "ministate.open"]),
        ("the journal is open", &["request", "ministate.open"]),
        ("ministate.snapshot", &["request"]),
        ("a snapshot was made", &["request", "ministate.snapshot"]),
        ("the journal was compacted", &["request", "ministate.compact"]),
        ("a backup was made", &["request", "ministate.backup"]),
    ] {
        let told: Vec<_> = told.iter().filter(|told| told.what == what).collect();
        assert_eq!(told.len(), 2, "{what}");
        assert!(told.iter().all(|told| told.within == within), "{told:?}");
    }
    let commits: Vec<_> = told.iter().filter(|told| told.what == "ministate.commit").collect();
    assert_eq!(commits.len(), 4);
    assert!(commits.iter().all(|told| told.within.is_empty() && told.level == Level::DEBUG));
}

#[test]
fn a_poisoned_journal_is_seen_in_the_gauge_and_in_an_error() {
    let (witness, disk) = (Witness::new(), Simulated::new());
    witness.during(|| {
        let lists = open(&disk);
        lists.blocking_apply(push(1)).unwrap();
        assert_eq!(witness.recorded(LISTS)[names::POISONED], Value::Gauge(0.0));
        disk.fail_at(disk.calls() + 1, Fault::Fails);
        lists.blocking_apply(push(2)).unwrap_err();
        lists.blocking_apply(push(3)).unwrap_err();
        let recorded = witness.recorded(LISTS);
        assert_eq!(recorded[names::POISONED], Value::Gauge(1.0));
        let failed = |reason| &recorded[&format!("{} reason={reason}", names::FAILED_APPLIES)];
        assert_eq!(*failed("outcome_unknown"), Value::Counter(1));
        assert_eq!(*failed("poisoned"), Value::Counter(1));
        // Since the first look.
        assert_eq!(recorded[names::RECORDS], Value::Counter(0));
        let error = witness.the("all writes are refused from now on");
        assert_eq!((error.level, &*error.fields["journal"]), (Level::ERROR, LISTS));
        assert_eq!((&*error.fields["seq"], &*error.fields["reason"]), ("1", "outcome_unknown"));
        assert!(error.fields["error"].contains("the outcome of mutation 2 is unknown"));
        drop(lists);
        drop(open(&disk));
        assert_eq!(witness.recorded(LISTS)[names::POISONED], Value::Gauge(0.0));
    });
}

#[test]
fn a_refused_mutation_is_counted_by_its_reason() {
    let (witness, disk) = (Witness::new(), Simulated::new());
    witness.during(|| {
        let options = Options::new().storage(disk).record_bytes_max(100);
        let lists: Lists = options.blocking_open("lists", JOURNAL).unwrap();
        let long = || Push { entry: 1, padding: "x".repeat(100) };
        lists.blocking_apply(long()).unwrap_err();
        lists.blocking_apply_batch([long(), long()]).unwrap_err();
        lists.blocking_close().unwrap();
        lists.blocking_apply(push(1)).unwrap_err();
        let recorded = witness.recorded(LISTS);
        let failed = |reason| &recorded[&format!("{} reason={reason}", names::FAILED_APPLIES)];
        assert_eq!(*failed("too_large"), Value::Counter(2));
        assert_eq!(*failed("closed"), Value::Counter(1));
    });
}

#[test]
fn a_torn_tail_is_a_warning_that_names_file_and_byte() {
    let (witness, disk) = (Witness::new(), Simulated::new());
    let lists = open(&disk);
    lists.blocking_apply(push(1)).unwrap();
    drop(lists);
    let mut content = disk.content(LISTS).unwrap();
    let end = content.iter().rposition(|byte| *byte != b'\n').unwrap() + 2;
    content.truncate(end);
    content.extend(br#"{"seq":2,"#);
    disk.set_content(LISTS, content);
    let disk = disk.restarted(0);
    let kept_in = witness.during(|| open(&disk).recovery().torn_tail.clone().unwrap().kept_in);
    let warning = witness.the("a torn tail was cut off, and is kept aside");
    assert_eq!(warning.level, Level::WARN);
    let expected = [
        ("journal", LISTS.to_string()),
        ("file", LISTS.to_string()),
        ("byte", end.to_string()),
        ("bytes", "9".to_string()),
        ("seq", "1".to_string()),
        ("kept_in", kept_in.display().to_string()),
    ];
    assert_eq!(warning.fields, BTreeMap::from(expected));
    assert_eq!(warning.within, ["ministate.open"]);
}

/// A directory with the files of a fixture.
fn copied(fixture: &str) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(fixture);
    for entry in std::fs::read_dir(fixture).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), dir.path().join(entry.file_name())).unwrap();
    }
    dir
}

#[test]
fn the_torn_tail_of_a_journal_of_0_1_is_told_with_the_file_that_keeps_it() {
    let (witness, dir) = (Witness::new(), copied("0.1/torn_tail"));
    witness.during(|| {
        let options = Options::new();
        options.blocking_open::<Counter, Inc>(dir.path(), "counter.wal.jsonl").unwrap();
    });
    let fields = witness.the("a torn tail was cut off, and is kept aside").fields;
    let kept_in = dir.path().join("counter.wal.from-0.1.jsonl").display().to_string();
    assert_eq!((&fields["file"], &fields["kept_in"]), (&kept_in, &kept_in));
    assert_eq!((&*fields["seq"], &*fields["bytes"], fields.get("byte")), ("2", "5", None));
}

#[test]
fn a_rejected_snapshot_and_the_fallback_are_warnings() {
    let (witness, disk) = (Witness::new(), Simulated::new());
    let lists = open(&disk);
    for entry in 0..2 {
        lists.blocking_apply(push(entry)).unwrap();
        lists.blocking_create_snapshot().unwrap();
    }
    lists.blocking_apply(push(2)).unwrap();
    drop(lists);
    let newest = format!("lists/list.wal.snapshot.{:020}.json", 2);
    disk.set_content(&newest, b"{}\n".to_vec());
    let took = witness.during(|| open(&disk).recovery().duration);
    let rejected = witness.the("a snapshot was rejected");
    assert_eq!((rejected.level, &rejected.fields["file"]), (Level::WARN, &newest));
    assert!(rejected.fields["why"].contains("is not what was written"), "{rejected:?}");
    let fallback = witness.the("recovery fell back to an older snapshot");
    assert_eq!((fallback.level, &*fallback.fields["seq"]), (Level::WARN, "1"));
    let recorded = witness.recorded(LISTS);
    assert_eq!(recorded[names::SNAPSHOT_SEQUENCE], Value::Gauge(1.0));
    assert_eq!(recorded[names::REPLAYED_MUTATIONS], Value::Gauge(2.0));
    assert_eq!(recorded[names::SEQUENCE], Value::Gauge(3.0));
    assert_eq!(recorded[names::RECOVERY_SECONDS], Value::Gauge(took.as_secs_f64()));
}

#[test]
fn snapshots_and_compaction_are_measured_by_their_files() {
    let (witness, disk) = (Witness::new(), Simulated::new());
    witness.during(|| {
        let options = Options::new().snapshots_kept(1).disposal(Disposal::Delete);
        let lists: Lists = options.storage(disk.clone()).blocking_open("lists", JOURNAL).unwrap();
        for entry in 0..2 {
            lists.blocking_apply(push(entry)).unwrap();
            lists.blocking_create_snapshot().unwrap();
        }
        // Nothing happened since.
        lists.blocking_create_snapshot().unwrap();
        let segment = disk.content(format!("lists/list.wal.{:020}.jsonl", 1)).unwrap();
        let snapshot = disk.content(format!("lists/list.wal.snapshot.{:020}.json", 2)).unwrap();
        lists.blocking_compact().unwrap();
        let recorded = witness.recorded(LISTS);
        assert_eq!(recorded[names::ROTATIONS], Value::Counter(2));
        assert_eq!(recorded[names::SNAPSHOTS], Value::Counter(2));
        assert_eq!(samples(&recorded, names::SNAPSHOT_SECONDS).len(), 2);
        assert_eq!(recorded[names::SNAPSHOT_BYTES], Value::Gauge(snapshot.len() as f64));
        assert_eq!(recorded[names::SNAPSHOT_SEQUENCE], Value::Gauge(2.0));
        // The segment, and the snapshots at 0 and 1. The last sealed segment stays.
        assert_eq!(recorded[names::COMPACTED_FILES], Value::Counter(3));
        assert_eq!(recorded[names::COMPACTED_BYTES], Value::Counter(segment.len() as u64));
    });
}

#[test]
fn a_snapshot_that_fails_by_itself_is_counted_and_is_a_warning() {
    let mut told = 0;
    for call in 0..40 {
        let (witness, disk) = (Witness::new(), Simulated::new());
        witness.during(|| {
            let options = Options::new().snapshot_every(SnapshotEvery::Mutations(1));
            let options = options.storage(disk.clone());
            let lists: Lists = options.blocking_open("lists", JOURNAL).unwrap();
            // The first two calls write and sync the mutation, some of those behind them seal.
            disk.fail_at(disk.calls() + 2 + call, Fault::Full);
            lists.blocking_apply(push(0)).unwrap();
            let status = lists.journal_status();
            if status.writes_refused.is_none() && status.snapshot_failure.is_some() {
                told += 1;
                assert_eq!(witness.recorded(LISTS)[names::UPKEEP_FAILURES], Value::Counter(1));
                assert_eq!(witness.the("upkeep failed").level, Level::WARN);
            }
        });
    }
    assert!(told > 5, "only {told} calls of a snapshot failed");
}

#[derive(Debug, Default, Clone, Serialize, Deserialize)]
struct Notes(Vec<String>);

#[derive(Debug, Clone, Serialize, Deserialize, Mutations)]
#[mutations(state = Notes)]
enum NoteOp {
    Note { text: String },
    Burn { text: String },
}

impl Notes {
    fn note(&mut self, text: String) {
        self.0.push(text);
    }

    #[expect(clippy::needless_pass_by_value, reason = "an operation hands over its fields")]
    fn burn(&mut self, text: String) {
        panic!("{text} burns");
    }
}

#[test]
fn what_a_mutation_holds_is_never_told() {
    const SECRET: &str = "hunter2";
    let (witness, disk) = (Witness::new(), Simulated::new());
    let text = || SECRET.to_string();
    witness.during(|| {
        let open = |disk: &Simulated, limit| {
            let options = Options::new().storage(disk.clone()).record_bytes_max(limit);
            options.blocking_open::<Notes, NoteOp>("notes", "notes.wal.jsonl")
        };
        let notes = open(&disk, 1_000).unwrap();
        notes.blocking_apply(NoteOp::Note { text: text() }).unwrap();
        notes.blocking_apply_batch([NoteOp::Note { text: text() }]).unwrap();
        notes.blocking_apply(NoteOp::Note { text: SECRET.repeat(1_000) }).unwrap_err();
        notes.blocking_create_snapshot().unwrap();
        notes.blocking_compact().unwrap();
        notes.blocking_backup("backups").unwrap();
        let panicked = notes.blocking_apply(NoteOp::Burn { text: text() }).unwrap_err();
        assert!(panicked.to_string().contains(SECRET), "{panicked}");
        drop(notes);
        open(&disk, 1_000).unwrap_err();
    });
    let told = witness.told();
    assert!(told.len() > 15, "{told:#?}");
    let poison = witness.the("all writes are refused from now on");
    assert_eq!(poison.fields["error"], "the handler of operation `burn@1` panicked at mutation 3");
    let all = format!("{told:?} {:?}", witness.recorded("notes/notes.wal.jsonl"));
    assert!(!all.contains(SECRET), "{all}");
}

#[test]
fn void_mutations_are_a_warning_of_every_opening() {
    #[derive(Debug, Default, Serialize, Deserialize)]
    struct Sum {
        terms: Vec<u64>,
    }
    #[derive(Debug, Clone, Serialize, Deserialize, Mutations)]
    #[mutations(state = Sum)]
    enum Op {
        #[mutation(apply = add)]
        Add { term: u64 },
    }
    fn add(sum: &mut Sum, term: u64) {
        sum.terms.push(term);
    }
    let (witness, dir) = (Witness::new(), copied("void"));
    let voided = witness.during(|| {
        let sum = Options::new().blocking_open::<Sum, Op>(dir.path(), "sum.wal.jsonl").unwrap();
        sum.recovery().voided.clone()
    });
    let warning = witness.the("void mutations were not applied");
    assert_eq!((warning.level, &warning.fields["seq"]), (Level::WARN, &voided[0].to_string()));
    assert_eq!(warning.fields["records"], voided.len().to_string());
}
