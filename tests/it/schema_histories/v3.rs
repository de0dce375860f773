//! What does the third version of the program write, and what does it mean by it?
//!
//! Accounts are texts and sums are cents, a deposit of nothing is an operation of its own, and
//! nobody pings.

use std::num::ParseIntError;

use ministate::{Mutations, Operation};
use ministate_tests::Chance;
use serde::{Deserialize, Serialize};

use super::{Effect, Ledger, Version, any_memo, any_number, any_text, cents, id};

#[derive(Debug, Clone, Serialize, Deserialize, Mutations)]
#[mutations(
    state = Ledger,
    retired(tag = "freeze", from(1 = FreezeV1), into = StatusV1::frozen),
    retired(tag = "ping", versions = 1..=2, drop),
)]
pub(super) enum Op {
    #[mutation(version = 3, from(1 = DepositV1, 2 = DepositV2), apply = deposit)]
    Deposit {
        account: String,
        cents: u64,
        memo: Option<String>,
    },
    #[mutation(apply = touch)]
    Touch {
        account: String,
    },
    #[mutation(version = 2, alias("withdraw"), from(1 = PayV1), apply = pay)]
    Pay {
        account: String,
        cents: u64,
    },
    #[mutation(version = 2, from(1 = (u32, u32)), apply = shift)]
    Move(String, String),
    #[mutation(version = 3, from(1 = LimitV1, 2 = LimitV2))]
    Limit(Limit),
    #[mutation(
        version = 3,
        from(1 = RenameV1 => try numbered, 2 = RenameV2 => RenameV2::by_nobody),
        apply = rename,
    )]
    Rename {
        account: String,
        to: String,
        by: String,
    },
    #[mutation(version = 2, from(1 = StatusV1), apply = set_status)]
    SetStatus {
        account: String,
        frozen: bool,
    },
    Reset,
}

#[derive(Deserialize)]
struct DepositV1 {
    account: u32,
    units: u32,
}

#[derive(Deserialize)]
struct DepositV2 {
    account: u32,
    units: u32,
    memo: Option<String>,
}

impl From<DepositV1> for DepositV2 {
    fn from(old: DepositV1) -> Self {
        DepositV2 { account: old.account, units: old.units, memo: None }
    }
}

impl From<DepositV2> for Op {
    fn from(old: DepositV2) -> Self {
        if old.units == 0 {
            return Op::Touch { account: id(old.account) };
        }
        Op::Deposit { account: id(old.account), cents: cents(old.units), memo: old.memo }
    }
}

#[derive(Deserialize)]
struct PayV1 {
    account: u32,
    units: u32,
}

impl From<PayV1> for Op {
    fn from(old: PayV1) -> Self {
        Op::Pay { account: id(old.account), cents: cents(old.units) }
    }
}

impl From<(u32, u32)> for Op {
    fn from((from, to): (u32, u32)) -> Self {
        Op::Move(id(from), id(to))
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Limit {
    cents: u64,
    hard: bool,
}

#[derive(Deserialize)]
struct LimitV1(u32);

#[derive(Deserialize)]
struct LimitV2 {
    units: u32,
    hard: bool,
}

impl From<LimitV1> for LimitV2 {
    fn from(old: LimitV1) -> Self {
        LimitV2 { units: old.0, hard: false }
    }
}

impl From<LimitV2> for Limit {
    fn from(old: LimitV2) -> Self {
        Limit { cents: cents(old.units), hard: old.hard }
    }
}

impl Operation<Ledger> for Limit {
    type Output = ();

    fn execute(self, ledger: &mut Ledger) {
        ledger.note(Effect::Limited { cents: self.cents, hard: self.hard });
    }
}

#[derive(Deserialize)]
struct RenameV1 {
    account: String,
    to: String,
}

#[derive(Deserialize)]
struct RenameV2 {
    account: u32,
    to: String,
}

fn numbered(old: RenameV1) -> Result<RenameV2, ParseIntError> {
    Ok(RenameV2 { account: old.account.parse()?, to: old.to })
}

impl RenameV2 {
    fn by_nobody(self) -> Op {
        Op::Rename { account: id(self.account), to: self.to, by: "nobody".to_owned() }
    }
}

#[derive(Deserialize)]
struct FreezeV1 {
    account: u32,
}

#[derive(Deserialize)]
struct StatusV1 {
    account: u32,
    frozen: bool,
}

impl StatusV1 {
    fn frozen(old: FreezeV1) -> Op {
        Op::from(StatusV1 { account: old.account, frozen: true })
    }
}

impl From<StatusV1> for Op {
    fn from(old: StatusV1) -> Self {
        Op::SetStatus { account: id(old.account), frozen: old.frozen }
    }
}

fn deposit(ledger: &mut Ledger, account: String, cents: u64, memo: Option<String>) {
    ledger.note(Effect::Deposited { account, cents, memo });
}

fn touch(ledger: &mut Ledger, account: String) {
    ledger.note(Effect::Touched { account });
}

fn pay(ledger: &mut Ledger, account: String, cents: u64) {
    ledger.note(Effect::Paid { account, cents });
}

fn shift(ledger: &mut Ledger, from: String, to: String) {
    ledger.note(Effect::Moved { from, to });
}

fn rename(ledger: &mut Ledger, account: String, to: String, by: String) {
    ledger.note(Effect::Renamed { account, to, by });
}

fn set_status(ledger: &mut Ledger, account: String, frozen: bool) {
    ledger.note(Effect::StatusSet { account, frozen });
}

impl Version for Op {
    const NUMBER: u32 = 3;

    fn any(chance: &mut Chance) -> Op {
        let (account, cents) = (any_text(chance), u64::MAX - u64::from(any_number(chance)));
        match chance.below(8) {
            0 => Op::Deposit { account, cents, memo: any_memo(chance) },
            1 => Op::Touch { account },
            2 => Op::Pay { account, cents },
            3 => Op::Move(account, any_text(chance)),
            4 => Op::Limit(Limit { cents, hard: chance.below(2) == 0 }),
            5 => Op::Rename { account, to: any_text(chance), by: any_text(chance) },
            6 => Op::SetStatus { account, frozen: chance.below(2) == 0 },
            _ => Op::Reset,
        }
    }

    fn effect(&self) -> Option<Effect> {
        Some(match self.clone() {
            Op::Deposit { account, cents, memo } => Effect::Deposited { account, cents, memo },
            Op::Touch { account } => Effect::Touched { account },
            Op::Pay { account, cents } => Effect::Paid { account, cents },
            Op::Move(from, to) => Effect::Moved { from, to },
            Op::Limit(Limit { cents, hard }) => Effect::Limited { cents, hard },
            Op::Rename { account, to, by } => Effect::Renamed { account, to, by },
            Op::SetStatus { account, frozen } => Effect::StatusSet { account, frozen },
            Op::Reset => Effect::Reset,
        })
    }
}
