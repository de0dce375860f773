//! What is a replica's subscription given? It writes all of it down, and never begins anew where it can go
//! on.

use std::sync::Arc;
use std::time::Duration;

use ministate::shared::{SharedError, SharedSubscription};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use super::{PAUSE, Replica};
use crate::history::Event;
use crate::state::RegistersOp;

/// Where a subscription begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Beginning {
    /// With the first change of all, as far as the journal still holds it.
    First,
    /// Behind the state that the replica was opened with.
    BehindTheState,
}

/// A subscription waits for the next change so long, and is then asked again.
const ASKED_AGAIN_AFTER: Duration = Duration::from_millis(5);

/// After so many changes another subscription takes the place of the first, and goes on.
const CHANGES_OF_ONE: u64 = 500;

/// So far behind, the subscriptions of every second replica say so.
const LAG_LIMIT: u64 = 10;

/// Takes all that there is, and tells the last mutation that needs no more to be waited for.
pub(super) async fn listen(
    replica: Arc<Replica>,
    beginning: Beginning,
    passed: watch::Sender<u64>,
) {
    let mut from = match beginning {
        Beginning::First => 1,
        Beginning::BehindTheState => replica.manager.sequence() + 1,
    };
    loop {
        replica.history.tell(Event::Subscribed(from));
        passed.send_replace(from - 1);
        let subscription = replica.manager.subscribe(from);
        let subscription = match beginning {
            Beginning::First => subscription,
            Beginning::BehindTheState => subscription.lag_limit(LAG_LIMIT),
        };
        from = heard(&replica, subscription, from, &passed).await;
    }
}

/// Takes what it gives until it is time for another one; returns where that is to begin.
async fn heard(
    replica: &Replica,
    mut subscription: SharedSubscription<RegistersOp>,
    from: u64,
    passed: &watch::Sender<u64>,
) -> u64 {
    while subscription.next_sequence() < from + CHANGES_OF_ONE {
        let Ok(next) = timeout(ASKED_AGAIN_AFTER, subscription.next()).await else { continue };
        match next {
            Some(Ok(change)) => {
                let (seq, RegistersOp::Change(given)) = (change.seq, change.mutation);
                if replica.manager.sequence() < seq {
                    replica.broken(&format!("change {seq} was given before it was applied"));
                }
                replica.history.tell(Event::Given { seq, id: given.id });
                passed.send_replace(seq);
            }
            Some(Err(SharedError::Lagging { next, .. })) => {
                replica.history.tell(Event::Lagged(next));
            }
            Some(Err(SharedError::Trimmed { seq, first })) => {
                replica.history.tell(Event::Trimmed { seq, first });
                return replica.manager.sequence() + 1;
            }
            Some(Err(SharedError::Journal { .. })) => sleep(PAUSE).await,
            Some(Err(error)) => replica.broken(&format!("a subscription: {error:#}")),
            None => replica.broken("a subscription ended"),
        }
    }
    subscription.next_sequence()
}
