//! What does the first version of the program write, and what does it mean by it?

use ministate::{Mutations, Operation};
use ministate_tests::Chance;
use serde::{Deserialize, Serialize};

use super::{Effect, Ledger, Version, any_number, any_text};

#[derive(Debug, Clone, Serialize, Deserialize, Mutations)]
#[mutations(state = Ledger)]
pub(super) enum Op {
    #[mutation(apply = deposit)]
    Deposit {
        account: u32,
        units: u32,
    },
    #[mutation(apply = withdraw)]
    Withdraw {
        account: u32,
        units: u32,
    },
    #[mutation(apply = shift)]
    Move(u32, u32),
    Limit(Limit),
    #[mutation(apply = rename)]
    Rename {
        account: String,
        to: String,
    },
    #[mutation(apply = freeze)]
    Freeze {
        account: u32,
    },
    #[mutation(apply = ping)]
    Ping(String),
    Reset,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Limit(u32);

impl Operation<Ledger> for Limit {
    type Output = ();

    fn execute(self, ledger: &mut Ledger) {
        ledger.note(super::limited(self.0, false));
    }
}

fn deposit(ledger: &mut Ledger, account: u32, units: u32) {
    ledger.note(super::deposited(account, units, None));
}

fn withdraw(ledger: &mut Ledger, account: u32, units: u32) {
    ledger.note(super::paid(account, units));
}

fn shift(ledger: &mut Ledger, from: u32, to: u32) {
    ledger.note(super::moved(from, to));
}

fn rename(ledger: &mut Ledger, account: String, to: String) {
    ledger.note(super::renamed(account.parse().unwrap(), to));
}

fn freeze(ledger: &mut Ledger, account: u32) {
    ledger.note(super::status_set(account, true));
}

fn ping(_ledger: &mut Ledger, _from: String) {}

impl Version for Op {
    const NUMBER: u32 = 1;

    fn any(chance: &mut Chance) -> Op {
        let (account, units) = (any_number(chance), any_number(chance));
        match chance.below(8) {
            0 => Op::Deposit { account, units },
            1 => Op::Withdraw { account, units },
            2 => Op::Move(account, any_number(chance)),
            3 => Op::Limit(Limit(units)),
            4 => Op::Rename { account: account.to_string(), to: any_text(chance) },
            5 => Op::Freeze { account },
            6 => Op::Ping(any_text(chance)),
            _ => Op::Reset,
        }
    }

    fn effect(&self) -> Option<Effect> {
        Some(match self.clone() {
            Op::Deposit { account, units } => super::deposited(account, units, None),
            Op::Withdraw { account, units } => super::paid(account, units),
            Op::Move(from, to) => super::moved(from, to),
            Op::Limit(Limit(units)) => super::limited(units, false),
            Op::Rename { account, to } => super::renamed(account.parse().unwrap(), to),
            Op::Freeze { account } => super::status_set(account, true),
            Op::Ping(_) => return None,
            Op::Reset => Effect::Reset,
        })
    }
}
