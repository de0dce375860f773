//! Every disk that a power cut, a kill or a failing call may leave of small histories opens, with all
//! that was acknowledged, and goes on.

use std::collections::HashSet;
use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use ministate::__private::{Bug, planted_now, with_bug};
use ministate::storage::{Fault, Moment, Simulated, Storage};
use ministate_tests::{Chance, entries, push};

use crate::history::{Choices, DIR, Happened, Step, Stopped, live, steps};
use crate::{Finding, on_all_cores};

/// What was looked at.
#[derive(Debug, Clone, Copy, Default)]
pub struct Counts {
    /// Histories that were lived through, from the first opening on.
    pub histories: u64,
    /// Moments after a call that changed something.
    pub moments: u64,
    /// Different disks after a power cut.
    pub states: u64,
    /// Those of them after a power cut in the recovery from another, or in the work after it.
    pub nested: u64,
    /// Those of them after a call that failed.
    pub faulted: u64,
    /// Disks as a killed process leaves them.
    pub kills: u64,
}

impl fmt::Display for Counts {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Counts { histories, moments, states, nested, faulted, kills } = self;
        write!(
            out,
            "{states} crash states ({nested} after a crash in a recovery, {faulted} after a failed \
             call) and {kills} kills, of {moments} moments in {histories} histories"
        )
    }
}

/// How many disks to look at of one moment: in a history, in a recovery, after a failed call.
const AT_MOST: [usize; 3] = [256, 24, 16];

/// One of so many states is recovered from with power cuts.
const NESTED: u64 = 40;

/// Looks at disks until there were so many different ones, on all cores. The program that works
/// on them may have a bug.
pub fn explore(states: u64, bug: Option<Bug>) -> Result<Counts, Finding> {
    let seeds = AtomicU64::new(0);
    let seen = Mutex::new(Seen::default());
    let found = Mutex::new(None);
    let work = || {
        while found.lock().unwrap().is_none() && seen.lock().unwrap().counts.states < states {
            let seed = seeds.fetch_add(1, Ordering::Relaxed);
            if let Err(finding) = history(seed, &seen) {
                found.lock().unwrap().get_or_insert(finding);
            }
        }
    };
    on_all_cores(bug, work);
    match found.into_inner().unwrap() {
        Some(finding) => Err(finding),
        None => Ok(seen.into_inner().unwrap().counts),
    }
}

/// Looks at all disks of the history with this seed.
pub fn explore_one(seed: u64, bug: Option<Bug>) -> Result<Counts, Finding> {
    let seen = Mutex::new(Seen::default());
    with_bug(bug, || history(seed, &seen))?;
    Ok(seen.into_inner().unwrap().counts)
}

#[derive(Default)]
struct Seen {
    states: HashSet<u64>,
    counts: Counts,
}

/// Where in a history a disk comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Depth {
    History,
    Recovery,
    Fault,
}

struct Explorer<'a> {
    seed: u64,
    choices: Choices,
    seen: &'a Mutex<Seen>,
}

fn history(seed: u64, seen: &Mutex<Seen>) -> Result<(), Finding> {
    let mut chance = Chance(seed);
    let choices = Choices::by(&mut chance);
    let steps = steps(4 + chance.below(10), &mut chance);
    let explorer = Explorer { seed, choices, seen };
    seen.lock().unwrap().counts.histories += 1;
    let disk = Simulated::new();
    let happened = live(&disk, choices, &steps, 0);
    explorer.refuse_stop(&happened, "")?;
    explorer.moments(&happened, Depth::History, "")?;
    // Each call of a part of the history fails once.
    let calls = disk.calls();
    for call in (chance.below(7)..calls).step_by(7) {
        let fault = [Fault::Fails, Fault::Breaks, Fault::Full][chance.below(3) as usize];
        let disk = Simulated::new();
        match chance.below(4) {
            0 => disk.fail_from(call, fault),
            _ => disk.fail_at(call, fault),
        }
        let mut happened = live(&disk, choices, &steps, 0);
        happened.moments.retain(|moment| moment.call() >= call);
        happened.moments.push(disk.moment());
        let story = format!("call {call} fails ({fault:?}), ");
        if let Some(Stopped::Differs { .. }) = happened.stopped {
            explorer.refuse_stop(&happened, &story)?;
        }
        explorer.moments(&happened, Depth::Fault, &story)?;
    }
    Ok(())
}

impl Explorer<'_> {
    fn finding(&self, story: &str) -> Finding {
        let Explorer { seed, choices, .. } = self;
        let bug = planted_now().map_or(String::new(), |bug| format!(" {bug:?}"));
        let replay = format!("cargo run --release -p ministate-proof -- crash {seed}{bug}");
        Finding { story: format!("seed {seed}, {choices:?}: {story}"), replay }
    }

    fn refuse_stop(&self, happened: &Happened, story: &str) -> Result<(), Finding> {
        match &happened.stopped {
            None => Ok(()),
            Some(stopped) => Err(self.finding(&format!("{story}the program stopped: {stopped:?}"))),
        }
    }

    fn moments(&self, happened: &Happened, depth: Depth, story: &str) -> Result<(), Finding> {
        let at_most = match depth {
            Depth::History => AT_MOST[0],
            Depth::Recovery => AT_MOST[1],
            Depth::Fault => AT_MOST[2],
        };
        for moment in &happened.moments {
            let allowed = happened.ledger.allowed(moment.call());
            let new = self.new_states(moment, &allowed, at_most, depth);
            for state in new {
                let story = || format!("{story}{state}");
                let length = self.look(&state.disk.after_kill(), &allowed, &story)?;
                let key = state.disk.digest();
                if depth != Depth::Recovery && key.is_multiple_of(NESTED) {
                    self.recover_with_power_cuts(&state.disk.after_kill(), length, key, &story)?;
                }
            }
            if depth != Depth::Recovery {
                self.kill(moment, &allowed, story)?;
            }
        }
        Ok(())
    }

    /// The disks after a power cut that nobody has looked at with the same expectations.
    fn new_states(
        &self,
        moment: &Moment,
        allowed: &[u64],
        at_most: usize,
        depth: Depth,
    ) -> Vec<ministate::storage::CrashState> {
        let mut states = moment.crash_states(at_most);
        let mut seen = self.seen.lock().unwrap();
        states.retain(|state| seen.states.insert(key(state.disk.digest(), allowed)));
        let Counts { moments, states: all, nested, faulted, .. } = &mut seen.counts;
        let new = states.len() as u64;
        *moments += 1;
        *all += new;
        match depth {
            Depth::History => {}
            Depth::Recovery => *nested += new,
            Depth::Fault => *faulted += new,
        }
        states
    }

    /// Opens the disk, checks what is there, and that what is acknowledged now survives another
    /// power cut. Returns how many mutations there were.
    fn look(
        &self,
        disk: &Simulated,
        allowed: &[u64],
        story: &dyn Fn() -> String,
    ) -> Result<u64, Finding> {
        let whole = whole_files(disk);
        let refuse = |what: String| Err(self.finding(&format!("{}: {what}", story())));
        let length = match self.choices.open(disk) {
            Err(error) => return refuse(format!("the journal does not open: {error}")),
            Ok(lists) => {
                let (found, seq) = (entries(&lists), lists.sequence());
                let length = found.len() as u64;
                if !allowed.contains(&length) || !found.iter().copied().eq(0..length) {
                    return refuse(format!("found {found:?}, and may be {allowed:?} of them"));
                }
                if seq != length {
                    return refuse(format!("{length} mutations, and the last one is {seq}"));
                }
                if !whole_files(disk).is_superset(&whole) {
                    return refuse("a whole file was changed or removed".to_string());
                }
                if let Err(error) = lists.blocking_apply(push(length)) {
                    return refuse(format!("the next mutation failed: {error}"));
                }
                length
            }
        };
        let again = disk.moment().crash_states(1).remove(0).disk;
        match self.choices.open(&again) {
            Err(error) => refuse(format!("the journal does not open after one more: {error}")),
            Ok(lists) if entries(&lists).into_iter().eq(0..=length) => Ok(length),
            Ok(lists) => {
                refuse(format!("there were {length} and one, and then {:?}", entries(&lists)))
            }
        }
    }

    /// A new process finds what the killed one wrote; then the power is cut.
    fn kill(&self, moment: &Moment, allowed: &[u64], story: &str) -> Result<(), Finding> {
        let disk = moment.after_kill();
        let key = key(disk.digest(), &[u64::from(story.is_empty())]);
        if !self.seen.lock().unwrap().states.insert(key) {
            return Ok(());
        }
        self.seen.lock().unwrap().counts.kills += 1;
        let story = || format!("{story}kill after call {} ({})", moment.call(), moment.what());
        self.look(&disk, allowed, &story).map(|_| ())
    }

    /// The power is cut at every call of the recovery, and of some work after it.
    fn recover_with_power_cuts(
        &self,
        disk: &Simulated,
        length: u64,
        seed: u64,
        story: &dyn Fn() -> String,
    ) -> Result<(), Finding> {
        let mut chance = Chance(seed);
        let mut work = vec![Step::Apply { mutations: 1, padding: 0 }];
        work.extend(steps(1, &mut chance));
        let happened = live(disk, self.choices, &work, length);
        let story = format!("{}, recovered, {work:?}, ", story());
        self.refuse_stop(&happened, &story)?;
        self.moments(&happened, Depth::Recovery, &story)
    }
}

fn key(digest: u64, allowed: &[u64]) -> u64 {
    let mut hasher = DefaultHasher::new();
    (digest, allowed).hash(&mut hasher);
    hasher.finish()
}

/// The files that are never changed once they have their names.
fn whole_files(disk: &Simulated) -> HashSet<(String, Vec<u8>)> {
    let is_whole = |name: &String| {
        name.contains(".snapshot.") || name.bytes().filter(u8::is_ascii_digit).count() == 20
    };
    let names = disk.list(Path::new(DIR)).unwrap_or_default();
    let with_content =
        |name: String| disk.content(Path::new(DIR).join(&name)).map(|content| (name, content));
    names.into_iter().filter(is_whole).filter_map(with_content).collect()
}
