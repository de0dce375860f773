//! A disk whose syncs wait until the test lets them go on.

use std::sync::{Condvar, Mutex};

use ministate::storage::Simulated;

use crate::hooked::{Call, Hook, Hooked};

/// A simulated disk behind a gate: while it is shut, every sync of a file waits in front of it.
///
/// So a test decides which callers share a batch: those that come while the gate is shut.
pub type Gated = Hooked<Simulated, Gate>;

/// What syncs wait at.
#[derive(Debug, Default)]
pub struct Gate {
    state: Mutex<GateState>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct GateState {
    shut: bool,
    /// So many syncs may pass while it is shut.
    passes: usize,
    waiting: usize,
    /// Whoever was to sync has ended without it.
    given_up: bool,
}

impl Gated {
    /// Lets no sync through from now on.
    pub fn shut(&self) {
        let mut state = self.hook.state.lock().unwrap();
        state.shut = true;
        state.given_up = false;
    }

    /// Lets all syncs through.
    pub fn open(&self) {
        self.hook.state.lock().unwrap().shut = false;
        self.hook.changed.notify_all();
    }

    /// Lets one sync through, and shuts the gate behind it.
    pub fn let_one_through(&self) {
        self.hook.state.lock().unwrap().passes += 1;
        self.hook.changed.notify_all();
    }

    /// Returns once a sync waits at the gate, or nobody will.
    pub fn wait_for_a_sync(&self) {
        let state = self.hook.state.lock().unwrap();
        let nobody = |state: &mut GateState| state.waiting == 0 && !state.given_up;
        drop(self.hook.changed.wait_while(state, nobody).unwrap());
    }

    /// Tells whoever waits for a sync that there will be none, and lets all others through.
    pub fn give_up(&self) {
        let mut state = self.hook.state.lock().unwrap();
        state.given_up = true;
        state.shut = false;
        drop(state);
        self.hook.changed.notify_all();
    }
}

impl Hook for Gate {
    fn before(&self, call: Call) {
        match call {
            Call::Sync => {}
            Call::Read | Call::Change => return,
        }
        let mut state = self.state.lock().unwrap();
        state.waiting += 1;
        self.changed.notify_all();
        let may_not_pass = |state: &mut GateState| state.shut && state.passes == 0;
        let mut state = self.changed.wait_while(state, may_not_pass).unwrap();
        state.passes = state.passes.saturating_sub(1);
        state.waiting -= 1;
    }
}
