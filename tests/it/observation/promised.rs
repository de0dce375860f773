//! Which names of metrics are promised? Those of the guide, which are those of the code.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Mutex;

use metrics::{Counter, Gauge, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit};
use ministate::storage::Simulated;
use ministate_tests::open_simulated;

/// Keeps what it is told of metrics, and no value.
#[derive(Default)]
struct Descriptions(Mutex<BTreeSet<(String, String)>>);

impl Descriptions {
    fn add(&self, name: &KeyName, kind: &str) {
        self.0.lock().unwrap().insert((name.as_str().to_string(), kind.to_string()));
    }
}

impl Recorder for Descriptions {
    fn describe_counter(&self, name: KeyName, _: Option<Unit>, _: SharedString) {
        self.add(&name, "counter");
    }

    fn describe_gauge(&self, name: KeyName, _: Option<Unit>, _: SharedString) {
        self.add(&name, "gauge");
    }

    fn describe_histogram(&self, name: KeyName, _: Option<Unit>, _: SharedString) {
        self.add(&name, "histogram");
    }

    fn register_counter(&self, _: &Key, _: &Metadata<'_>) -> Counter {
        Counter::noop()
    }

    fn register_gauge(&self, _: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::noop()
    }

    fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::noop()
    }
}

#[test]
fn the_names_in_the_guide_are_the_constants_and_what_a_recorder_is_told() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let text = |path: &str| std::fs::read_to_string(root.join(path)).unwrap();
    let guide = text("ministate/docs/guide.md");
    let chapter = guide.split("\n## Watching it\n").nth(1).unwrap().split("\n## ").next().unwrap();
    let rows = chapter.lines().filter_map(|line| line.strip_prefix("| `"));
    let shown: BTreeSet<_> = rows
        .filter_map(|row| {
            let mut cells = row.split(" | ");
            // The other tables have sentences there.
            let name = cells.next()?.strip_suffix('`')?.to_string();
            let kind = cells.next()?.split(',').next()?.to_string();
            name.starts_with("ministate_").then_some((name, kind))
        })
        .collect();

    let source = text("ministate/src/observation/names.rs");
    let constants = source.lines().filter_map(|line| line.strip_prefix("pub const "));
    let constants = constants.map(|line| line.split('"').nth(1).unwrap().to_string());
    let constants: BTreeSet<_> = constants.filter(|name| name.starts_with("ministate_")).collect();
    let names: BTreeSet<_> = shown.iter().map(|(name, _)| name.clone()).collect();
    assert_eq!(names, constants);

    let recorder = Descriptions::default();
    metrics::with_local_recorder(&recorder, || drop(open_simulated(&Simulated::new(), u64::MAX)));
    let described = recorder.0.into_inner().unwrap();
    assert_eq!(shown, described);
}
