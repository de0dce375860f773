//! `#[derive(Mutations)]` does what an enum of operations says.
#![expect(
    clippy::needless_pass_by_value,
    clippy::unwrap_used,
    reason = "handlers own their fields, and a test may panic"
)]

mod foreign;
mod generics;
mod output;
mod payload;
mod silence;
mod surroundings;

use std::collections::BTreeMap;

use ministate::{Accepts, Mutations, Mutator, Operation};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

#[derive(Debug, Default, Clone, PartialEq, Serialize, Deserialize)]
struct Bank {
    accounts: BTreeMap<String, u64>,
    log: Vec<String>,
}

impl Bank {
    fn deposit(&mut self, account: String, cents: u64) {
        *self.accounts.entry(account).or_default() += cents;
    }

    fn r#move(&mut self, from: &str, to: String) {
        let cents = self.accounts.remove(from).unwrap_or(0);
        self.deposit(to, cents);
    }

    fn reset(&mut self) {
        self.accounts.clear();
    }

    fn http_ping(&mut self, code: u16) {
        self.log.push(format!("ping {code}"));
    }

    fn sha256_sum(&mut self) {
        self.log.push("sum".to_owned());
    }

    fn note<T: ToString>(&mut self, first: T, second: T) {
        self.log.push(first.to_string() + &second.to_string());
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Close {
    account: String,
}

impl Operation<Bank> for Close {
    type Output = Option<u64>;

    fn execute(self, bank: &mut Bank) -> Option<u64> {
        bank.accounts.remove(&self.account)
    }
}

fn freeze(bank: &mut Bank, close: Close) {
    bank.log.push(format!("froze {}", close.account));
}

fn move_all(bank: &mut Bank, from: String, to: String) {
    bank.r#move(&from, to);
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Mutations)]
#[mutations(state = Bank)]
enum BankOp {
    Deposit {
        account: String,
        cents: u64,
    },
    #[mutation(apply = move_all)]
    Move(String, String),
    Reset,
    Close(Close),
    #[mutation(apply = freeze, tag = "Freeze.all", version = 3, oldest = 3)]
    Freeze(Close),
    HTTPPing {
        code: u16,
    },
    Sha256Sum {},
    #[mutation(apply = Bank::note::<u8>)]
    Note(u8, u8),
}

fn deposit(account: &str, cents: u64) -> BankOp {
    BankOp::Deposit { account: account.to_owned(), cents }
}

fn after(operations: &[BankOp]) -> Bank {
    let mut bank = Bank::default();
    for operation in operations {
        operation.apply(&mut bank);
    }
    bank
}

fn written<M: Mutator<S> + Serialize, S>(mutation: &M) -> String {
    let mut payload = Vec::new();
    mutation.__encode(&mut payload).unwrap();
    String::from_utf8(payload).unwrap()
}

fn read<M: Mutator<S> + DeserializeOwned, S>(tag: &str, version: u32, payload: &str) -> M {
    M::__decode(Some((tag, version)), payload).unwrap().unwrap()
}

/// What comes back from the journal, bearing the tag that it was written with.
fn replayed<M: Mutator<S> + Serialize + DeserializeOwned, S>(mutation: &M) -> M {
    let tag = mutation.__tag().unwrap();
    read(tag.name, tag.version, &written(mutation))
}

#[test]
fn struct_variant_calls_the_method_of_its_name_with_its_fields() {
    let bank = after(&[deposit("ann", 3), deposit("ann", 4)]);
    assert_eq!(bank.accounts, BTreeMap::from([("ann".to_owned(), 7)]));
}

#[test]
fn fields_reach_the_handler_in_declared_order() {
    let bank = after(&[deposit("ann", 3), BankOp::Move("ann".to_owned(), "bob".to_owned())]);
    assert_eq!(bank.accounts, BTreeMap::from([("bob".to_owned(), 3)]));
    assert_eq!(after(&[BankOp::Note(1, 2)]).log, ["12"]);
}

#[test]
fn unit_variant_calls_a_method_without_arguments() {
    assert_eq!(after(&[deposit("ann", 3), BankOp::Reset]), Bank::default());
}

#[test]
fn newtype_variant_executes_its_payload() {
    let close = BankOp::Close(Close { account: "ann".to_owned() });
    assert_eq!(after(&[deposit("ann", 3), close]).accounts, BTreeMap::new());
}

#[test]
fn apply_names_a_function_in_place_of_the_payloads_operation() {
    let bank = after(&[deposit("ann", 3), BankOp::Freeze(Close { account: "ann".to_owned() })]);
    assert_eq!(bank.accounts.len(), 1);
    assert_eq!(bank.log, ["froze ann"]);
}

#[test]
fn acronyms_and_digits_stay_words_in_method_and_tag() {
    let ping = BankOp::HTTPPing { code: 200 };
    let sum = BankOp::Sha256Sum {};
    assert_eq!(ping.__tag().unwrap().name, "http_ping");
    assert_eq!(sum.__tag().unwrap().name, "sha256_sum");
    assert_eq!(after(&[ping, sum]).log, ["ping 200", "sum"]);
}

#[test]
fn variant_named_like_a_keyword_calls_a_raw_method() {
    #[derive(Clone, Serialize, Deserialize, Mutations)]
    #[mutations(state = Types)]
    enum TypeOp {
        Type { r#as: String },
        r#Impl(u8, u8),
    }

    #[derive(Default)]
    struct Types(Vec<String>);

    impl Types {
        fn r#type(&mut self, name: String) {
            self.0.push(name);
        }

        fn r#impl(&mut self, first: u8, second: u8) {
            self.0.push(format!("{first}{second}"));
        }
    }

    let mut types = Types::default();
    TypeOp::Type { r#as: "u8".to_owned() }.apply(&mut types);
    TypeOp::Impl(1, 2).apply(&mut types);
    assert_eq!(types.0, ["u8", "12"]);
    assert_eq!(TypeOp::Impl(1, 2).__tag().unwrap().name, "impl");
    assert_eq!(written(&TypeOp::Type { r#as: "u8".to_owned() }), r#"{"as":"u8"}"#);
}

#[test]
fn apply_leaves_the_mutation_as_it_was() {
    let operation = deposit("ann", 3);
    let _ = after(std::slice::from_ref(&operation));
    assert_eq!(operation, deposit("ann", 3));
}

#[test]
fn payload_is_the_variants_content_alone() {
    let close = Close { account: "ann".to_owned() };
    assert_eq!(written(&deposit("ann", 3)), r#"{"account":"ann","cents":3}"#);
    assert_eq!(written(&BankOp::Note(1, 2)), "[1,2]");
    assert_eq!(written(&BankOp::Reset), "null");
    assert_eq!(written(&BankOp::Sha256Sum {}), "{}");
    assert_eq!(written(&BankOp::Close(close)), r#"{"account":"ann"}"#);
}

#[test]
fn every_shape_of_variant_comes_back_as_it_was_written() {
    let close = Close { account: "ann".to_owned() };
    let operations = [
        deposit("ann", 3),
        BankOp::Move("ann".to_owned(), "bob".to_owned()),
        BankOp::Reset,
        BankOp::Close(close.clone()),
        BankOp::Freeze(close),
        BankOp::HTTPPing { code: 200 },
        BankOp::Sha256Sum {},
        BankOp::Note(1, 2),
    ];
    for operation in &operations {
        assert_eq!(replayed(operation), *operation);
    }
}

#[test]
fn tag_and_version_are_as_declared() {
    let tag = BankOp::Freeze(Close { account: String::new() }).__tag().unwrap();
    assert_eq!((tag.name, tag.version), ("Freeze.all", 3));
    let tag = deposit("ann", 3).__tag().unwrap();
    assert_eq!((tag.name, tag.version), ("deposit", 1));
}

#[test]
fn schema_lists_the_program_and_its_tags_by_name() {
    let schema = BankOp::__schema();
    assert_eq!(schema.program, Some(("ministate-tests", env!("CARGO_PKG_VERSION"))));
    let tags: Vec<_> = schema.operations.iter().map(|tag| (tag.name, tag.version)).collect();
    assert_eq!(
        tags,
        [
            ("Freeze.all", 3),
            ("close", 1),
            ("deposit", 1),
            ("http_ping", 1),
            ("move", 1),
            ("note", 1),
            ("reset", 1),
            ("sha256_sum", 1),
        ]
    );
}

#[test]
fn payload_types_convert_into_the_enum_and_are_accepted() {
    fn accepted<M: Accepts<O>, O>(operation: O) -> M {
        M::from(operation)
    }
    let close = Close { account: "ann".to_owned() };
    assert_eq!(accepted::<BankOp, _>(close.clone()), BankOp::Close(close));
}
