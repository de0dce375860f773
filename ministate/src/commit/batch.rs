//! What a leader does with a batch: it writes and syncs it, applies its mutations, and answers its
//! callers.

use std::error::Error;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use super::queue::{Changes, Claimed};
use super::ticket::{Answer, Done, Duty};
use super::{APPLY_RECORDS, Core, State};
use crate::error::MiniStateError;
use crate::journal::{Failure, Journal};
use crate::mutation::Mutator;
use crate::record::Seq;
use crate::sync::atomic::Ordering;

impl<S, M> Core<S, M>
where
    S: Send + Sync + 'static,
    M: Mutator<S> + Send + 'static,
{
    /// Says how long the disk took.
    pub(super) fn commit(&self, journal: &mut Option<Journal>, changes: Changes<M>) -> Duration {
        let Changes { bodies, claimed: changes } = changes;
        let observed = self.observer.committing(self.seq() + 1, changes.len());
        let journal = journal.as_mut().expect("no change is taken once the journal is released");
        match changes.len() {
            1 => self.batches_of_one.fetch_add(1, Ordering::Relaxed),
            _ => self.batches_of_one.swap(0, Ordering::Relaxed),
        };
        let begun = Instant::now();
        // Here the outcome can be told apart by mutation, unlike in `give_up`.
        let appended = catch_unwind(AssertUnwindSafe(|| journal.append(&bodies)))
            .unwrap_or_else(|_| Err(Failure::Unknown(io::Error::other("the storage panicked"))));
        let took = begun.elapsed();
        if let Err(failure) = appended {
            self.fail(changes, failure);
            return took;
        }
        let mut changes = changes.into_iter();
        let mut answers = Vec::with_capacity(APPLY_RECORDS.min(changes.len()));
        while changes.len() > 0 {
            let applied = self.apply_some(&mut changes, &mut answers);
            self.news.tell(self.seq());
            if let Err(panicked) = &applied {
                self.poison(panicked.clone());
            }
            for (duty, answer) in answers.drain(..) {
                duty.answer(answer);
            }
        }
        observed.answered(self.seq());
        took
    }

    /// Applies changes while readers wait. Where a handler panics, all changes are answered.
    fn apply_some(
        &self,
        changes: &mut std::vec::IntoIter<Claimed<M>>,
        answers: &mut Vec<(Duty, Answer)>,
    ) -> Result<(), MiniStateError> {
        let mut guard = self.state.write().unwrap_or_else(PoisonError::into_inner);
        let State::Sound(state) = &mut *guard else {
            unreachable!("no change is taken once the state is unsound");
        };
        for (effect, duty) in changes.by_ref().take(APPLY_RECORDS) {
            let before = self.seq.load(Ordering::Relaxed);
            let mut last = before + effect.count();
            match effect.apply(state, before) {
                Ok(output) => {
                    self.seq.store(last, Ordering::Release);
                    answers.push((duty, Ok(Done { seq: last, output })));
                }
                Err(panicked) => {
                    // The handler may have left its work half done, and building anew can panic.
                    *guard = State::Unsound(panicked.clone());
                    if let Ok(state) = (self.rebuild)(before) {
                        *guard = State::Sound(state);
                    }
                    answers.push((duty, Err(panicked.clone())));
                    answers.extend(changes.map(|(effect, duty)| {
                        last += effect.count();
                        let source = Arc::new(panicked.clone());
                        (duty, Err(MiniStateError::OutcomeUnknown { seq: last, source }))
                    }));
                    return Err(panicked);
                }
            }
        }
        Ok(())
    }

    pub(super) fn fail(&self, changes: Vec<Claimed<M>>, failure: Failure) {
        let mut seq = self.seq();
        let answer: Box<dyn Fn(Seq) -> MiniStateError> = match failure {
            Failure::NotWritten(source) => {
                let source = Arc::new(source);
                Box::new(move |_| MiniStateError::NotWritten { source: Arc::clone(&source) })
            }
            Failure::Unknown(source) => {
                let source: Arc<dyn Error + Send + Sync> = Arc::new(source);
                Box::new(move |seq| MiniStateError::OutcomeUnknown {
                    seq,
                    source: Arc::clone(&source),
                })
            }
        };
        self.poison(answer(seq + 1));
        for (effect, duty) in changes {
            seq += effect.count();
            duty.answer(Err(answer(seq)));
        }
    }

    pub(super) fn seal(&self, journal: &mut Option<Journal>) -> Answer {
        let journal = journal.as_mut().expect("no seal is taken once the journal is closed");
        match journal.seal_records() {
            Ok(()) => Ok(Done { seq: self.seq(), output: None }),
            Err(Failure::NotWritten(source) | Failure::Unknown(source)) => {
                let failed = MiniStateError::NotWritten { source: Arc::new(source) };
                self.poison(failed.clone());
                Err(failed)
            }
        }
    }

    pub(super) fn close(&self, journal: &mut Option<Journal>) -> Result<(), MiniStateError> {
        let poison = self.queue().refusal.clone();
        let closed = match (journal.take(), poison) {
            (Some(journal), None) => journal.close(),
            (None, _) => Ok(()),
            (Some(_unlocked), Some(poison)) => Err(poison),
        };
        self.refuse_changes(&MiniStateError::Closed);
        closed
    }

    pub(super) fn poison(&self, cause: MiniStateError) {
        let (seq, cause) = (self.seq(), Arc::new(cause));
        self.refuse_changes(&MiniStateError::Poisoned { seq, cause: Arc::clone(&cause) });
        self.observer.poisoned(seq, &cause);
    }

    /// Answers all changes that wait, and those still to come, with the refusal.
    pub(super) fn refuse_changes(&self, refusal: &MiniStateError) {
        let mut queue = self.queue();
        queue.refusal = Some(refusal.clone());
        let refused = queue.take_all_but_closes();
        drop(queue);
        self.news.end(self.seq(), refusal);
        for batch in refused {
            batch.refuse(refusal);
        }
    }
}
