//! Whatever two older programs wrote in turn, the program of today replays as what they meant.
//!
//! A bounded tier: many small random histories, each written by the versions 1, 2 and 3 of one
//! schema on the same disk. What they should come to is computed from the values, without JSON.
#![expect(clippy::needless_pass_by_value, reason = "handlers and steps own what they are given")]

use ministate::storage::Simulated;
use ministate::{Mutator, Options, StateManager};
use ministate_tests::Chance;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// Remembers in full what every operation did, in order.
#[derive(Debug, Default, Clone, PartialEq, Serialize, Deserialize)]
struct Ledger(Vec<Effect>);

/// In the terms of version 3. The older programs use the same ones: a snapshot that one of them
/// made is what the next one goes on from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
enum Effect {
    Deposited { account: String, cents: u64, memo: Option<String> },
    Touched { account: String },
    Paid { account: String, cents: u64 },
    Moved { from: String, to: String },
    Limited { cents: u64, hard: bool },
    Renamed { account: String, to: String, by: String },
    StatusSet { account: String, frozen: bool },
    Reset,
}

impl Ledger {
    fn note(&mut self, effect: Effect) {
        self.0.push(effect);
    }

    fn reset(&mut self) {
        self.note(Effect::Reset);
    }
}

/// Accounts were numbers, and have become texts.
fn id(account: u32) -> String {
    format!("#{account}")
}

/// Sums were whole units, and have become cents.
fn cents(units: u32) -> u64 {
    u64::from(units) * 100
}

fn deposited(account: u32, units: u32, memo: Option<String>) -> Effect {
    match units {
        0 => Effect::Touched { account: id(account) },
        _ => Effect::Deposited { account: id(account), cents: cents(units), memo },
    }
}

fn paid(account: u32, units: u32) -> Effect {
    Effect::Paid { account: id(account), cents: cents(units) }
}

fn moved(from: u32, to: u32) -> Effect {
    Effect::Moved { from: id(from), to: id(to) }
}

fn limited(units: u32, hard: bool) -> Effect {
    Effect::Limited { cents: cents(units), hard }
}

fn renamed(account: u32, to: String) -> Effect {
    Effect::Renamed { account: id(account), to, by: "nobody".to_owned() }
}

fn status_set(account: u32, frozen: bool) -> Effect {
    Effect::StatusSet { account: id(account), frozen }
}

mod v1 {
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
}

/// A field was added, one changed its type, operations were renamed and retired.
mod v2 {
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
}

/// Accounts are texts and sums are cents, a deposit of nothing is an operation of its own, and
/// nobody pings.
mod v3 {
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
}

fn any_number(chance: &mut Chance) -> u32 {
    [0, 1, chance.below(1_000) as u32, u32::MAX][chance.below(4) as usize]
}

fn any_text(chance: &mut Chance) -> String {
    let texts = ["", "7", "ann", "\"quoted\\\"", "two\nlines", "Z\u{fc}rich", "}],\"crc\":\""];
    texts[chance.below(texts.len() as u64) as usize].to_owned()
}

fn any_memo(chance: &mut Chance) -> Option<String> {
    (chance.below(2) == 0).then(|| any_text(chance))
}

/// The operations of one version of the program.
trait Version: Mutator<Ledger> + Clone + Serialize + DeserializeOwned + Send + 'static {
    const NUMBER: u32;

    fn any(chance: &mut Chance) -> Self;

    /// What version 3 takes the operation for, whichever version it is of.
    fn effect(&self) -> Option<Effect>;
}

/// One journal, and what the state should be by now.
struct History {
    seed: u64,
    chance: Chance,
    disk: Simulated,
    segment_bytes: u64,
    expected: Ledger,
}

impl History {
    fn new(seed: u64) -> History {
        let mut chance = Chance(seed);
        let segment_bytes = [300, 900, 5_000][chance.below(3) as usize];
        let (disk, expected) = (Simulated::new(), Ledger::default());
        History { seed, chance, disk, segment_bytes, expected }
    }

    fn tell<V: Version>(&self) -> String {
        format!("seed {}, version {}", self.seed, V::NUMBER)
    }

    /// Opens the journal in this version, which must find all that was written in any.
    fn open<V: Version>(&self) -> StateManager<Ledger, V> {
        let manager = Options::new()
            .segment_bytes(self.segment_bytes)
            .storage(self.disk.clone())
            .blocking_open("ledger", "ledger.wal.jsonl")
            .unwrap_or_else(|error| panic!("{}: {error}", self.tell::<V>()));
        self.compare(&manager);
        manager
    }

    fn compare<V: Version>(&self, manager: &StateManager<Ledger, V>) {
        manager.read(|ledger| {
            let differs = ledger.0.iter().zip(&self.expected.0).position(|(is, be)| is != be);
            assert!(
                *ledger == self.expected,
                "{}: the effect {differs:?} differs, or there are others behind; it is\n{:?}\n\
                 and should be\n{:?}",
                self.tell::<V>(),
                ledger.0,
                self.expected.0,
            );
        });
    }

    /// One life of a program of this version.
    fn write<V: Version>(&mut self) {
        let manager = self.open::<V>();
        for _ in 0..self.chance.below(8) {
            if self.chance.below(20) == 0 {
                let made = manager.blocking_create_snapshot();
                made.unwrap_or_else(|error| panic!("{}: {error}", self.tell::<V>()));
            }
            let count = [1, 1, 1, 2, 5][self.chance.below(5) as usize];
            let operations: Vec<V> = (0..count).map(|_| V::any(&mut self.chance)).collect();
            self.expected.0.extend(operations.iter().filter_map(V::effect));
            let written = match <[V; 1]>::try_from(operations) {
                Ok([operation]) => manager.blocking_apply(operation).map(|_| ()),
                Err(operations) => manager.blocking_apply_batch(operations).map(|_| ()),
            };
            written.unwrap_or_else(|error| panic!("{}: {error}", self.tell::<V>()));
        }
        self.compare(&manager);
        if self.chance.below(2) == 0 {
            let closed = manager.blocking_close();
            closed.unwrap_or_else(|error| panic!("{}: {error}", self.tell::<V>()));
        }
    }
}

/// A bounded tier; `just schema` writes more.
fn histories() -> u64 {
    std::env::var("MINISTATE_SCHEMA_HISTORIES").map_or(500, |histories| histories.parse().unwrap())
}

#[test]
fn histories_of_older_programs_replay_as_what_their_operations_meant() {
    for seed in 0..histories() {
        let mut history = History::new(seed);
        history.write::<v1::Op>();
        history.write::<v2::Op>();
        history.write::<v3::Op>();
        history.open::<v3::Op>();
    }
}
