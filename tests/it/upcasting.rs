//! A record of every version that was ever released is read as what the program has today.
#![expect(
    clippy::needless_pass_by_value,
    clippy::unwrap_used,
    reason = "handlers own their fields, and a test may panic"
)]

use std::error::Error;
use std::num::ParseIntError;

use ministate::{Mutations, Mutator, Operation};
use serde::{Deserialize, Serialize};

#[derive(Debug, Default, PartialEq)]
struct Bank(Vec<String>);

fn deposit(bank: &mut Bank, account: String, cents: u64, memo: Option<String>) {
    bank.0.push(format!("{account} {cents} {memo:?}"));
}

fn rename(_bank: &mut Bank, _account: u32, _to: String) {}

fn ignore<T>(_bank: &mut Bank, _payload: T) {}

#[derive(Deserialize)]
struct DepositV1 {
    account: u32,
    amount: u128,
}

#[derive(Deserialize)]
struct DepositV2 {
    account: String,
    amount: u64,
}

impl From<DepositV1> for DepositV2 {
    fn from(old: DepositV1) -> Self {
        let amount = u64::try_from(old.amount).unwrap_or(u64::MAX);
        DepositV2 { account: format!("#{}", old.account), amount }
    }
}

impl From<DepositV2> for BankOp {
    fn from(old: DepositV2) -> Self {
        if old.amount == 0 {
            return BankOp::Touch { account: old.account };
        }
        BankOp::Deposit { account: old.account, cents: old.amount, memo: None }
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Limit {
    cents: u64,
}

impl Operation<Bank> for Limit {
    type Output = ();

    fn execute(self, bank: &mut Bank) {
        bank.0.push(format!("limit {}", self.cents));
    }
}

#[derive(Deserialize)]
struct LimitV1(u32);

#[derive(Deserialize)]
struct LimitV2 {
    dollars: u32,
}

impl From<LimitV1> for LimitV2 {
    fn from(old: LimitV1) -> Self {
        LimitV2 { dollars: old.0 }
    }
}

impl From<LimitV2> for Limit {
    fn from(old: LimitV2) -> Self {
        Limit { cents: u64::from(old.dollars) * 100 }
    }
}

#[derive(Deserialize)]
struct RenameV1 {
    account: String,
}

#[derive(Deserialize)]
struct RenameV2 {
    account: u32,
}

fn numbered(old: RenameV1) -> Result<RenameV2, ParseIntError> {
    Ok(RenameV2 { account: old.account.parse()? })
}

impl RenameV2 {
    fn to<M: From<(u32, String)>>(self) -> M {
        M::from((self.account, "nobody".to_owned()))
    }
}

impl From<(u32, String)> for BankOp {
    fn from((account, to): (u32, String)) -> Self {
        BankOp::Rename { account, to }
    }
}

#[derive(Deserialize)]
struct FreezeV1(String);

#[derive(Deserialize)]
struct FreezeV2 {
    account: String,
}

impl From<FreezeV1> for FreezeV2 {
    fn from(old: FreezeV1) -> Self {
        FreezeV2 { account: old.0 }
    }
}

impl BankOp {
    fn from_freeze(old: FreezeV2) -> Self {
        BankOp::Touch { account: old.account }
    }
}

fn positive(cents: i64) -> Result<BankOp, String> {
    let cents = u64::try_from(cents).map_err(|_| format!("{cents} cents"))?;
    Ok(BankOp::Limit(Limit { cents }))
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Mutations)]
#[mutations(
    state = Bank,
    retired(tag = "freeze", from(1 = FreezeV1, 2 = FreezeV2), into = BankOp::from_freeze),
    retired(tag = "allow", from(2 = i64), oldest = 2, into = try positive),
    retired(tag = "ping", versions = 2..=3, drop),
    reserved("debug_poke"),
)]
enum BankOp {
    #[mutation(version = 3, from(1 = DepositV1, 2 = DepositV2), apply = deposit)]
    Deposit { account: String, cents: u64, memo: Option<String> },
    #[mutation(
        tag = "limit",
        version = 3,
        alias("cap", "ceiling"),
        from(1 = LimitV1, 2 = LimitV2),
    )]
    Limit(Limit),
    #[mutation(
        version = 3,
        from(1 = RenameV1 => try numbered, 2 = RenameV2 => RenameV2::to::<BankOp>),
        apply = rename,
    )]
    Rename { account: u32, to: String },
    #[mutation(version = 5, oldest = 4, from(4 = String), apply = ignore)]
    Note(Text),
    #[mutation(apply = ignore)]
    Touch { account: String },
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Text {
    text: String,
}

impl From<String> for Text {
    fn from(text: String) -> Self {
        Text { text }
    }
}

fn read(tag: &str, version: u32, payload: &str) -> BankOp {
    BankOp::__decode(Some((tag, version)), payload).unwrap().unwrap()
}

/// Why the record is refused, each cause behind the one that it caused.
fn refused(tag: &str, version: u32, payload: &str) -> String {
    let error = BankOp::__decode(Some((tag, version)), payload).unwrap_err();
    let mut causes = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        causes += &format!(": {cause}");
        source = cause.source();
    }
    causes
}

const UNKNOWN: &str = "this program has no such operation in this version";

fn touch(account: &str) -> BankOp {
    BankOp::Touch { account: account.to_owned() }
}

fn paid(account: &str, cents: u64) -> BankOp {
    BankOp::Deposit { account: account.to_owned(), cents, memo: None }
}

fn limit(cents: u64) -> BankOp {
    BankOp::Limit(Limit { cents })
}

#[test]
fn old_versions_go_hop_by_hop_to_the_enum() {
    assert_eq!(read("deposit", 1, r#"{"account":7,"amount":5}"#), paid("#7", 5));
    assert_eq!(read("deposit", 2, r#"{"account":"ann","amount":5}"#), paid("ann", 5));
    assert_eq!(read("deposit", 3, r#"{"account":"ann","cents":5,"memo":null}"#), paid("ann", 5));
}

#[test]
fn old_versions_go_hop_by_hop_to_the_payload() {
    assert_eq!(read("limit", 1, "3"), limit(300));
    assert_eq!(read("limit", 2, r#"{"dollars":3}"#), limit(300));
    assert_eq!(read("limit", 3, r#"{"cents":3}"#), limit(3));
}

#[test]
fn payload_of_a_variant_with_apply_is_the_last_hop_too() {
    assert_eq!(read("note", 4, r#""hello""#), BankOp::Note(Text { text: "hello".to_owned() }));
}

#[test]
fn functions_take_the_place_of_from() {
    let renamed = BankOp::Rename { account: 7, to: "nobody".to_owned() };
    assert_eq!(read("rename", 1, r#"{"account":"7"}"#), renamed);
    assert_eq!(read("rename", 2, r#"{"account":7}"#), renamed);
}

#[test]
fn hop_that_fails_is_refused_with_its_own_error() {
    let payload = r#"{"account":"ann"}"#;
    let error = BankOp::__decode(Some(("rename", 1)), payload).unwrap_err();
    let cause = error.source().unwrap().downcast_ref::<ParseIntError>();
    assert_eq!(cause, "ann".parse::<u32>().err().as_ref());
    assert_eq!(
        refused("rename", 1, r#"{"account":"ann"}"#),
        "it could not be read as the current version: invalid digit found in string"
    );
}

#[test]
fn one_operation_may_have_become_another() {
    assert_eq!(read("deposit", 2, r#"{"account":"ann","amount":0}"#), touch("ann"));
}

#[test]
fn alias_is_read_in_every_version_and_never_written() {
    for alias in ["cap", "ceiling"] {
        assert_eq!(read(alias, 1, "3"), limit(300));
        assert_eq!(read(alias, 2, r#"{"dollars":3}"#), limit(300));
        assert_eq!(read(alias, 3, r#"{"cents":3}"#), limit(3));
    }
    assert_eq!(limit(3).__tag().unwrap().name, "limit");
    assert!(BankOp::__schema().operations.iter().all(|tag| tag.name != "cap"));
}

#[test]
fn retired_operation_becomes_one_of_today() {
    assert_eq!(read("freeze", 1, r#""ann""#), touch("ann"));
    assert_eq!(read("freeze", 2, r#"{"account":"ann"}"#), touch("ann"));
    assert_eq!(read("allow", 2, "3"), limit(3));
}

#[test]
fn retired_operation_that_converts_no_more_is_refused() {
    assert_eq!(refused("allow", 2, "-3"), "it could not be read as the current version: -3 cents");
}

#[test]
fn dropped_operation_changes_nothing_in_the_versions_that_it_had() {
    for version in [2, 3] {
        let read = BankOp::__decode(Some(("ping", version)), "whatever").unwrap();
        assert_eq!(read, None);
    }
    assert_eq!(refused("ping", 1, "null"), UNKNOWN);
    assert_eq!(refused("ping", 4, "null"), UNKNOWN);
}

#[test]
fn retired_and_dropped_operations_are_not_written() {
    let written: Vec<_> = BankOp::__schema().operations.iter().map(|tag| tag.name).collect();
    assert_eq!(written, ["deposit", "limit", "note", "rename", "touch"]);
}

#[test]
fn reserved_tag_is_refused() {
    assert_eq!(refused("debug_poke", 1, "null"), UNKNOWN);
}

#[test]
fn versions_below_the_oldest_are_refused() {
    assert_eq!(refused("note", 3, r#""hello""#), UNKNOWN);
    assert_eq!(refused("allow", 1, "3"), UNKNOWN);
}

#[test]
fn newer_versions_are_refused() {
    assert_eq!(refused("deposit", 4, r#"{"account":"ann","cents":5}"#), UNKNOWN);
    assert_eq!(refused("freeze", 3, r#"{"account":"ann"}"#), UNKNOWN);
}

#[test]
fn unknown_tags_are_refused() {
    assert_eq!(refused("withdraw", 1, "{}"), UNKNOWN);
    assert_eq!(refused("Deposit", 3, "{}"), UNKNOWN);
}

#[test]
fn records_without_a_tag_are_refused() {
    let error = BankOp::__decode(None, r#"{"Touch":{"account":"ann"}}"#).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the record names no operation, but this program's mutator is derived"
    );
}

#[test]
fn payload_of_another_shape_is_refused_with_the_place() {
    let refused = |version, payload| refused("deposit", version, payload);
    assert!(refused(1, r#"{"account":7}"#).contains("missing field `amount` at line 1"));
    assert!(refused(3, r#"{"account":7}"#).contains("expected a string at line 1 column 12"));
    assert!(refused(3, r#"{"account":"ann","cents":5} {}"#).contains("trailing characters"));
    assert!(refused(2, r#"{"account":"ann","amount":5} {}"#).contains("trailing characters"));
}

#[test]
fn upcast_mutations_apply_like_any_other() {
    let mut bank = Bank::default();
    read("deposit", 1, r#"{"account":7,"amount":5}"#).apply(&mut bank);
    read("cap", 1, "3").apply(&mut bank);
    assert_eq!(bank.0, ["#7 5 None", "limit 300"]);
}
