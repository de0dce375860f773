//! Sealed segments read at the same time, each from what its own header says, and joined to one
//! history.
//!
//! A checksum covers the one before it, so the lines of a segment cannot be divided. But its header
//! says with which checksum the segment before it ends, and that is compared here when both are read.

use std::ops::ControlFlow;
use std::panic::resume_unwind;
use std::sync::{Mutex, PoisonError};

use super::continuity::Continuity;
use super::files::refuse_gap;
use super::reader::{Segment, check_place, start_of};
use super::{Found, Opened, Start, Through};
use crate::error::{MiniStateError, Position};
use crate::record::{Record, Seq};
use crate::sync::thread;

/// Receives each record of a segment in order, with its place in the file.
type Visit<'a, P> =
    dyn Fn(&mut P, &Record<'_>, &Position) -> Result<(), MiniStateError> + Sync + 'a;

/// A sealed segment, and where it stands.
#[derive(Debug)]
struct Apart {
    index: usize,
    segment: Segment,
    successor: Option<Seq>,
}

/// What a segment turned out to hold, and what the visitor made of it.
struct Stretch<P> {
    index: usize,
    start: Start,
    read: Result<(Continuity, P), MiniStateError>,
}

impl Opened {
    /// Reads all records, those of sealed segments on as many threads as there are processors. The
    /// visitor has a part of its result for each segment; they are returned in order.
    ///
    /// What is wrong is told as reading one segment after the other tells it: the first of it in
    /// history.
    pub(crate) fn read_apart<P: Default + Send>(
        mut self,
        visit: &Visit<'_, P>,
    ) -> Result<(Vec<P>, Found), MiniStateError> {
        let names = self.names.clone();
        let sealed = self.take_sealed();
        let beginning = self.beginning();
        let threads = thread::available_parallelism().map_or(1, usize::from).min(sealed.len() + 1);
        let waiting = Mutex::new(sealed.into_iter());
        let next = || waiting.lock().unwrap_or_else(PoisonError::into_inner).next();
        let read_waiting = || -> Vec<Stretch<P>> {
            std::iter::from_fn(next).map(|apart| apart.read(visit)).collect()
        };
        let (newest, mut stretches) = thread::scope(|scope| {
            let spawned = (1..threads)
                .map_while(|_| thread::spawn_in(scope, "ministate reading", read_waiting));
            let others: Vec<_> = spawned.collect();
            let mut part = P::default();
            let newest = self.read(&beginning, Through::End, &mut |record, at| {
                visit(&mut part, record, at)?;
                Ok(ControlFlow::Continue(()))
            });
            let mut stretches = read_waiting();
            for other in others {
                stretches.extend(other.join().unwrap_or_else(|panic| resume_unwind(panic)));
            }
            (newest.map(|found| (found, part)), stretches)
        });
        stretches.sort_by_key(|stretch| stretch.index);

        let mut parts = Vec::new();
        let mut before: Option<Continuity> = None;
        let continues = |before: Option<Continuity>, start: &Start| match before {
            None => Ok(()),
            Some(before) => {
                refuse_gap(&names, before.seq, start.seq + 1)?;
                check_place(start, &before)
            }
        };
        for Stretch { start, read, .. } in stretches {
            continues(before, &start)?;
            let (end, part) = read?;
            before = Some(end);
            parts.push(part);
        }
        continues(before, &beginning)?;
        let (found, part) = newest?;
        parts.push(part);
        Ok((parts, found))
    }

    /// The sealed segments, where there is one behind them; that one is left.
    fn take_sealed(&mut self) -> Vec<Apart> {
        if !self.files.active && !self.files.next {
            return Vec::new();
        }
        let firsts: Vec<Seq> = self.segments.iter().map(|segment| segment.header.first).collect();
        let sealed = self.segments.drain(..self.files.sealed.len()).enumerate();
        let apart =
            |(index, segment)| Apart { index, segment, successor: firsts.get(index + 1).copied() };
        sealed.map(apart).collect()
    }
}

impl Apart {
    fn read<P: Default>(self, visit: &Visit<'_, P>) -> Stretch<P> {
        let Apart { index, segment, successor } = self;
        let start = start_of(&segment);
        let mut end = Continuity { seq: start.seq, record: start.record, ..Continuity::START };
        let mut part = P::default();
        let read = segment.read(&mut end, successor, &mut |record, at| {
            visit(&mut part, record, at)?;
            Ok(ControlFlow::Continue(()))
        });
        Stretch { index, start, read: read.map(|_| (end, part)) }
    }
}

#[cfg(all(test, feature = "testing"))]
mod tests {
    use std::path::{Path, PathBuf};
    use std::sync::Arc;

    use serde::{Deserialize, Serialize};

    use super::super::Names;
    use super::*;
    use crate::storage::{Simulated, Storage};
    use crate::{Mutator, Options};

    #[derive(Debug, Default, Serialize, Deserialize)]
    struct Counter(u64);

    #[derive(Debug, Serialize, Deserialize)]
    struct Inc(u64);

    impl Mutator<Counter> for Inc {
        fn apply(&self, counter: &mut Counter) {
            counter.0 += self.0;
        }
    }

    fn names() -> Names {
        Names::new(Path::new("state"), Path::new("counter.wal.jsonl")).expect("a plain name")
    }

    type Segments = Vec<(PathBuf, Vec<u8>)>;

    /// Applies so much each, one after the other, in small segments; the bytes of all segments then,
    /// the oldest first.
    fn applied(disk: &Simulated, all: &[u64]) -> (Simulated, Segments) {
        let options = Options::new().segment_bytes(300).storage(disk.clone());
        let counter =
            options.blocking_open::<Counter, Inc>("state", "counter.wal.jsonl").expect("it opens");
        for by in all {
            counter.blocking_apply(Inc(*by)).expect("it is written");
        }
        counter.blocking_close().expect("it is written");
        let disk = disk.restarted(0);
        let storage: Arc<dyn Storage> = Arc::new(disk.clone());
        let opened = Opened::all(&storage, &names()).expect("it is sound");
        let content = |path: &Path| disk.content(path).expect("it is there");
        let paths = opened.segments.iter().map(|segment| segment.path.clone());
        let segments: Vec<_> = paths.map(|path| (path.clone(), content(&path))).collect();
        assert!(segments.len() >= 5, "{}", segments.len());
        (disk, segments)
    }

    fn written() -> (Simulated, Segments) {
        applied(&Simulated::new(), &[1, 2, 3, 4, 5, 6, 7, 8, 9, 1, 2, 3, 4, 5, 6])
    }

    /// The records, and how far they reach, or what is wrong.
    type Told = Result<(Vec<(Seq, u64)>, Continuity), String>;

    fn told(
        read: impl FnOnce(Opened) -> Result<(Vec<(Seq, u64)>, Found), MiniStateError>,
        disk: &Simulated,
    ) -> Told {
        let storage: Arc<dyn Storage> = Arc::new(disk.clone());
        let read = Opened::all(&storage, &names()).and_then(read);
        read.map(|(records, found)| (records, found.end)).map_err(|error| format!("{error:?}"))
    }

    fn told_in_turn(disk: &Simulated) -> Told {
        let read = |opened: Opened| {
            let mut records = Vec::new();
            let beginning = opened.beginning();
            let found = opened.read(&beginning, Through::End, &mut |record, at| {
                records.push((record.head.seq, at.byte));
                Ok(ControlFlow::Continue(()))
            })?;
            Ok((records, found))
        };
        told(read, disk)
    }

    fn told_apart(disk: &Simulated) -> Told {
        let read = |opened: Opened| {
            let (parts, found) = opened.read_apart(&|records: &mut Vec<_>, record, at| {
                records.push((record.head.seq, at.byte));
                Ok(())
            })?;
            Ok((parts.concat(), found))
        };
        told(read, disk)
    }

    #[test]
    fn segments_read_apart_are_the_history_that_they_are_in_turn() {
        let (disk, _) = written();
        let told = told_in_turn(&disk);
        assert!(told.as_ref().is_ok_and(|(records, _)| records.len() == 15), "{told:?}");
        assert_eq!(told_apart(&disk), told);
    }

    #[test]
    fn what_is_wrong_with_a_byte_is_told_as_reading_in_turn_tells_it() {
        let (disk, segments) = written();
        let mut wrong = 0;
        for (path, content) in &segments {
            for byte in 0..content.len() {
                let mut damaged = content.clone();
                damaged[byte] ^= 1;
                disk.set_content(path, damaged);
                let told = told_in_turn(&disk);
                wrong += u32::from(told.is_err());
                assert_eq!(told_apart(&disk), told, "{} at {byte}", path.display());
            }
            disk.set_content(path, content.clone());
        }
        assert!(wrong > 1_000, "{wrong}");
    }

    #[test]
    fn the_first_of_two_damages_in_history_is_told() {
        let (disk, segments) = written();
        let damaged = |content: &[u8]| {
            let mut damaged = content.to_vec();
            damaged[content.len() / 2] ^= 1;
            damaged
        };
        for (index, (path, content)) in segments.iter().enumerate() {
            for (later, behind) in &segments[index + 1..] {
                disk.set_content(path, damaged(content));
                disk.set_content(later, damaged(behind));
                let told = told_in_turn(&disk);
                assert!(told.is_err());
                assert_eq!(told_apart(&disk), told);
                disk.set_content(later, behind.clone());
            }
            disk.set_content(path, content.clone());
        }
    }

    #[test]
    fn a_segment_that_is_missing_or_cut_short_is_told_as_reading_in_turn_tells_it() {
        let (disk, segments) = written();
        for (path, content) in &segments {
            for bytes in 0..content.len() {
                disk.set_content(path, content[..bytes].to_vec());
                assert_eq!(told_apart(&disk), told_in_turn(&disk), "{bytes}");
            }
            disk.remove(path).expect("it is there");
            assert_eq!(told_apart(&disk), told_in_turn(&disk), "without {}", path.display());
            disk.set_content(path, content.clone());
        }
    }

    #[test]
    fn a_segment_of_another_history_does_not_continue_this_one() {
        let (before, _) = written();
        let (disk, segments) = applied(&before.restarted(0), &[1; 12]);
        let (_, others) = applied(&before.restarted(0), &[2; 12]);
        let both: Vec<_> =
            segments.iter().zip(&others).filter(|(one, other)| one != other).collect();
        assert!(both.len() >= 4, "{}", both.len());
        for ((path, ours), (other, theirs)) in both {
            assert_eq!(path, other);
            disk.set_content(path, theirs.clone());
            let told = told_in_turn(&disk);
            assert!(told.is_err());
            assert_eq!(told_apart(&disk), told);
            disk.set_content(path, ours.clone());
        }
    }
}
