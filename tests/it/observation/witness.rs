//! Who hears what a manager tells? A subscriber and a recorder of one thread, or of one runtime.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::{Arc, LazyLock, Mutex};

use metrics_util::MetricKind;
use metrics_util::debugging::{DebugValue, DebuggingRecorder, Snapshotter};
use tokio::runtime::{Builder, Runtime};
use tracing::dispatcher::{self, Dispatch};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id};
use tracing::subscriber::NoSubscriber;
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;

/// Hears what is told on the threads that it was set for.
#[derive(Clone)]
pub(super) struct Witness {
    told: Arc<Mutex<Vec<Told>>>,
    dispatch: Dispatch,
    recorder: &'static DebuggingRecorder,
    snapshotter: Snapshotter,
}

/// An event, or the beginning of a span.
#[derive(Debug, Clone)]
pub(super) struct Told {
    pub(super) level: Level,
    /// The text of an event, the name of a span.
    pub(super) what: String,
    pub(super) fields: BTreeMap<&'static str, String>,
    /// The names of the spans around it, the outermost first.
    pub(super) within: Vec<&'static str>,
}

/// What the recorder was told, by name and labels but for the journal's.
pub(super) type Recorded = BTreeMap<String, Value>;

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    Counter(u64),
    Gauge(f64),
    Histogram(Vec<f64>),
}

/// As long as there are fewer than two subscribers, a place that tells something asks that of its own
/// thread, once and for all tests, whether anybody listens. These two are always there, the one
/// that wants nothing first, so that no place is asked between the two.
static ALWAYS: LazyLock<[Dispatch; 2]> = LazyLock::new(|| {
    [Dispatch::new(NoSubscriber::new()), Dispatch::new(tracing_subscriber::registry())]
});

impl Witness {
    pub(super) fn new() -> Witness {
        LazyLock::force(&ALWAYS);
        let told = Arc::default();
        let listener = Listener(Arc::clone(&told));
        let dispatch = Dispatch::new(tracing_subscriber::registry().with(listener));
        // A few of them, of tests that end with their process.
        let recorder: &'static DebuggingRecorder = Box::leak(Box::new(DebuggingRecorder::new()));
        Witness { told, dispatch, recorder, snapshotter: recorder.snapshotter() }
    }

    /// Hears what is told on this thread meanwhile.
    pub(super) fn during<T>(&self, job: impl FnOnce() -> T) -> T {
        dispatcher::with_default(&self.dispatch, || {
            metrics::with_local_recorder(self.recorder, job)
        })
    }

    /// A runtime on all of whose threads it hears what is told.
    pub(super) fn runtime(&self, mut builder: Builder) -> Runtime {
        let (dispatch, recorder) = (self.dispatch.clone(), self.recorder);
        builder.on_thread_start(move || {
            std::mem::forget(dispatcher::set_default(&dispatch));
            std::mem::forget(metrics::set_default_local_recorder(recorder));
        });
        builder.enable_all().build().unwrap()
    }

    /// All that was told until now.
    pub(super) fn told(&self) -> Vec<Told> {
        self.told.lock().unwrap().clone()
    }

    /// What was told in these words, which has to be one thing.
    pub(super) fn the(&self, what: &str) -> Told {
        let told = self.told();
        let mut found = told.iter().filter(|told| told.what == what);
        let the = found.next().unwrap_or_else(|| panic!("nobody said `{what}`: {told:#?}")).clone();
        assert!(found.next().is_none(), "`{what}` was said twice: {told:#?}");
        the
    }

    /// What the recorder was told of the journal: gauges as they are, counts and samples since the
    /// last time.
    pub(super) fn recorded(&self, journal: &str) -> Recorded {
        let metrics = self.snapshotter.snapshot().into_vec().into_iter();
        let of_journal = metrics.filter_map(|(key, _, _, value)| {
            let (kind, key) = key.into_parts();
            let mut labels: BTreeMap<_, _> =
                key.labels().map(|label| (label.key().to_string(), label.value())).collect();
            let is_of_journal = labels.remove("journal") == Some(journal);
            let labels: Vec<String> =
                labels.into_iter().map(|(key, value)| format!(" {key}={value}")).collect();
            let value = match (kind, value) {
                (MetricKind::Counter, DebugValue::Counter(count)) => Value::Counter(count),
                (MetricKind::Gauge, DebugValue::Gauge(value)) => Value::Gauge(value.0),
                (MetricKind::Histogram, DebugValue::Histogram(samples)) => {
                    Value::Histogram(samples.into_iter().map(|sample| sample.0).collect())
                }
                other => panic!("{other:?}"),
            };
            is_of_journal.then(|| (format!("{}{}", key.name(), labels.concat()), value))
        });
        of_journal.collect()
    }
}

impl Value {
    pub(super) fn samples(&self) -> &[f64] {
        match self {
            Value::Histogram(samples) => samples,
            Value::Counter(_) | Value::Gauge(_) => panic!("{self:?} is no histogram"),
        }
    }
}

struct Listener(Arc<Mutex<Vec<Told>>>);

impl<S> Layer<S> for Listener
where
    S: Subscriber + for<'span> LookupSpan<'span>,
{
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let mut fields = Fields::default();
        attributes.record(&mut fields);
        let around = context.span(id).and_then(|span| span.parent());
        let around = around.map(|parent| parent.scope().from_root().map(|span| span.name()));
        let within = around.map(Iterator::collect).unwrap_or_default();
        let metadata = attributes.metadata();
        if is_of_ministate(metadata) || metadata.name() == "request" {
            self.heard(*metadata.level(), metadata.name().to_string(), fields, within);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut fields = Fields::default();
        event.record(&mut fields);
        let scope = context.event_scope(event);
        let within = scope.map(|scope| scope.from_root().map(|span| span.name()).collect());
        let what = fields.0.remove("message").unwrap_or_default();
        if is_of_ministate(event.metadata()) {
            self.heard(*event.metadata().level(), what, fields, within.unwrap_or_default());
        }
    }
}

/// The tests of the commit protocol leave a panic hook behind that tells the subscriber of any panic,
/// under a target of its own. All that ministate tells has the one that is promised.
fn is_of_ministate(metadata: &Metadata<'_>) -> bool {
    let target = metadata.target();
    assert!(target == "ministate" || !target.starts_with("ministate"), "{target}");
    target == "ministate"
}

impl Listener {
    fn heard(&self, level: Level, what: String, fields: Fields, within: Vec<&'static str>) {
        self.0.lock().unwrap().push(Told { level, what, fields: fields.0, within });
    }
}

#[derive(Default)]
struct Fields(BTreeMap<&'static str, String>);

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name(), value.to_string());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.0.insert(field.name(), format!("{value:?}"));
    }
}
