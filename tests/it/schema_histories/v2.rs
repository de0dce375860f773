//! What does the second version of the program write, and what does it mean by it?
//!
//! A field was added, one changed its type, operations were renamed and retired.

use std::num::ParseIntError;

use ministate::{Mutations, Operation};
use ministate_tests::Chance;
use serde::{Deserialize, Serialize};

use super::{Effect, Ledger, Version, any_memo, any_number, any_text};

#[derive(Debug, Clone, Serialize, Deserialize, Mutations)]
#[mutations(
    state = Ledger,
    retired(tag = "freeze", from(1 = FreezeV1), into = frozen),
)]
pub(super) enum Op {
    #[mutation(version = 2, from(1 = DepositV1), apply = deposit)]
    Deposit {
        account: u32,
        units: u32,
        memo: Option<String>,
    },
    #[mutation(alias("withdraw"), apply = pay)]
    Pay {
        account: u32,
        units: u32,
    },
    #[mutation(apply = shift)]
    Move(u32, u32),
    #[mutation(version = 2, from(1 = u32))]
    Limit(Limit),
    #[mutation(version = 2, from(1 = RenameV1 => try numbered), apply = rename)]
    Rename {
        account: u32,
        to: String,
    },
    #[mutation(apply = set_status)]
    SetStatus {
        account: u32,
        frozen: bool,
    },
    #[mutation(version = 2, from(1 = String), apply = ping)]
    Ping {
        from: String,
        hops: u8,
    },
    Reset,
}

#[derive(Deserialize)]
struct DepositV1 {
    account: u32,
    units: u32,
}

impl From<DepositV1> for Op {
    fn from(old: DepositV1) -> Self {
        Op::Deposit { account: old.account, units: old.units, memo: None }
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Limit {
    units: u32,
    hard: bool,
}

impl From<u32> for Limit {
    fn from(units: u32) -> Self {
        Limit { units, hard: false }
    }
}

impl Operation<Ledger> for Limit {
    type Output = ();

    fn execute(self, ledger: &mut Ledger) {
        ledger.note(super::limited(self.units, self.hard));
    }
}

#[derive(Deserialize)]
struct RenameV1 {
    account: String,
    to: String,
}

fn numbered(old: RenameV1) -> Result<Op, ParseIntError> {
    Ok(Op::Rename { account: old.account.parse()?, to: old.to })
}

#[derive(Deserialize)]
struct FreezeV1 {
    account: u32,
}

fn frozen(old: FreezeV1) -> Op {
    Op::SetStatus { account: old.account, frozen: true }
}

impl From<String> for Op {
    fn from(from: String) -> Self {
        Op::Ping { from, hops: 0 }
    }
}

fn deposit(ledger: &mut Ledger, account: u32, units: u32, memo: Option<String>) {
    ledger.note(super::deposited(account, units, memo));
}

fn pay(ledger: &mut Ledger, account: u32, units: u32) {
    ledger.note(super::paid(account, units));
}

fn shift(ledger: &mut Ledger, from: u32, to: u32) {
    ledger.note(super::moved(from, to));
}

fn rename(ledger: &mut Ledger, account: u32, to: String) {
    ledger.note(super::renamed(account, to));
}

fn set_status(ledger: &mut Ledger, account: u32, frozen: bool) {
    ledger.note(super::status_set(account, frozen));
}

fn ping(_ledger: &mut Ledger, _from: String, _hops: u8) {}

impl Version for Op {
    const NUMBER: u32 = 2;

    fn any(chance: &mut Chance) -> Op {
        let (account, units) = (any_number(chance), any_number(chance));
        match chance.below(8) {
            0 => Op::Deposit { account, units, memo: any_memo(chance) },
            1 => Op::Pay { account, units },
            2 => Op::Move(account, any_number(chance)),
            3 => Op::Limit(Limit { units, hard: chance.below(2) == 0 }),
            4 => Op::Rename { account, to: any_text(chance) },
            5 => Op::SetStatus { account, frozen: chance.below(2) == 0 },
            6 => Op::Ping { from: any_text(chance), hops: 3 },
            _ => Op::Reset,
        }
    }

    fn effect(&self) -> Option<Effect> {
        Some(match self.clone() {
            Op::Deposit { account, units, memo } => super::deposited(account, units, memo),
            Op::Pay { account, units } => super::paid(account, units),
            Op::Move(from, to) => super::moved(from, to),
            Op::Limit(Limit { units, hard }) => super::limited(units, hard),
            Op::Rename { account, to } => super::renamed(account, to),
            Op::SetStatus { account, frozen } => super::status_set(account, frozen),
            Op::Ping { .. } => return None,
            Op::Reset => Effect::Reset,
        })
    }
}
