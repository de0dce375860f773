//! `#[derive(Mutations)]` does what an enum of operations says.

use std::collections::BTreeMap;

use ministate::{Accepts, Mutations, Mutator, Operation};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

#[derive(Debug, Default, Clone, PartialEq)]
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
    BankOp::Deposit {
        account: account.to_owned(),
        cents,
    }
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
    M::__decode(Some((tag, version)), payload.as_bytes())
        .unwrap()
        .unwrap()
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
    let bank = after(&[
        deposit("ann", 3),
        BankOp::Move("ann".to_owned(), "bob".to_owned()),
    ]);
    assert_eq!(bank.accounts, BTreeMap::from([("bob".to_owned(), 3)]));
    assert_eq!(after(&[BankOp::Note(1, 2)]).log, ["12"]);
}

#[test]
fn unit_variant_calls_a_method_without_arguments() {
    assert_eq!(after(&[deposit("ann", 3), BankOp::Reset]), Bank::default());
}

#[test]
fn newtype_variant_executes_its_payload() {
    let close = BankOp::Close(Close {
        account: "ann".to_owned(),
    });
    assert_eq!(after(&[deposit("ann", 3), close]).accounts, BTreeMap::new());
}

#[test]
fn apply_names_a_function_in_place_of_the_payloads_operation() {
    let bank = after(&[
        deposit("ann", 3),
        BankOp::Freeze(Close {
            account: "ann".to_owned(),
        }),
    ]);
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
    TypeOp::Type {
        r#as: "u8".to_owned(),
    }
    .apply(&mut types);
    TypeOp::Impl(1, 2).apply(&mut types);
    assert_eq!(types.0, ["u8", "12"]);
    assert_eq!(TypeOp::Impl(1, 2).__tag().unwrap().name, "impl");
    assert_eq!(
        written(&TypeOp::Type {
            r#as: "u8".to_owned()
        }),
        r#"{"as":"u8"}"#
    );
}

#[test]
fn apply_leaves_the_mutation_as_it_was() {
    let operation = deposit("ann", 3);
    let _ = after(&[operation.clone()]);
    assert_eq!(operation, deposit("ann", 3));
}

#[test]
fn payload_is_the_variants_content_alone() {
    let close = Close {
        account: "ann".to_owned(),
    };
    assert_eq!(
        written(&deposit("ann", 3)),
        r#"{"account":"ann","cents":3}"#
    );
    assert_eq!(written(&BankOp::Note(1, 2)), "[1,2]");
    assert_eq!(written(&BankOp::Reset), "null");
    assert_eq!(written(&BankOp::Sha256Sum {}), "{}");
    assert_eq!(written(&BankOp::Close(close)), r#"{"account":"ann"}"#);
}

#[test]
fn every_shape_of_variant_comes_back_as_it_was_written() {
    let close = Close {
        account: "ann".to_owned(),
    };
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
    let tag = BankOp::Freeze(Close {
        account: String::new(),
    })
    .__tag()
    .unwrap();
    assert_eq!((tag.name, tag.version), ("Freeze.all", 3));
    let tag = deposit("ann", 3).__tag().unwrap();
    assert_eq!((tag.name, tag.version), ("deposit", 1));
}

#[test]
fn schema_lists_the_program_and_its_tags_by_name() {
    let schema = BankOp::__schema();
    assert_eq!(
        schema.program,
        Some(("ministate-tests", env!("CARGO_PKG_VERSION")))
    );
    let tags: Vec<_> = schema
        .operations
        .iter()
        .map(|tag| (tag.name, tag.version))
        .collect();
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
    let close = Close {
        account: "ann".to_owned(),
    };
    assert_eq!(accepted::<BankOp, _>(close.clone()), BankOp::Close(close));
}

mod what_serde_says {
    use super::*;
    use serde_json::value::RawValue;

    #[derive(Default)]
    struct Nothing;

    fn keep<T>(_nothing: &mut Nothing, _field: T) {}

    fn keep_two<T, U>(_nothing: &mut Nothing, _first: T, _second: U) {}

    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Mutations)]
    #[mutations(state = Nothing)]
    #[serde(rename_all = "SCREAMING-KEBAB-CASE", rename_all_fields = "camelCase")]
    enum Named {
        #[mutation(apply = keep_two)]
        #[serde(rename = "something else", alias = "else")]
        TwoFields {
            long_name: u8,
            #[serde(rename = "type", alias = "kind")]
            second: u8,
        },
        #[mutation(apply = keep)]
        #[serde(rename_all = "UPPERCASE")]
        Loud { voice: u8 },
        #[mutation(apply = keep)]
        ReadByAlias {
            #[serde(rename(serialize = "new", deserialize = "old"), alias = "new")]
            field: u8,
        },
        #[mutation(apply = keep)]
        LeftOut {
            #[serde(skip_serializing_if = "Option::is_none")]
            field: Option<u8>,
        },
        #[mutation(apply = keep)]
        Defaulted {
            #[serde(default)]
            field: u8,
        },
    }

    #[test]
    fn fields_bear_the_names_that_serde_gives_them() {
        let named = Named::TwoFields {
            long_name: 1,
            second: 2,
        };
        assert_eq!(written(&named), r#"{"longName":1,"type":2}"#);
        assert_eq!(replayed(&named), named);
        assert_eq!(written(&Named::Loud { voice: 1 }), r#"{"VOICE":1}"#);
    }

    #[test]
    fn names_that_serde_gives_variants_do_not_reach_the_journal() {
        let tag = Named::TwoFields {
            long_name: 1,
            second: 2,
        }
        .__tag()
        .unwrap();
        assert_eq!(tag.name, "two_fields");
    }

    #[test]
    fn field_alias_is_read() {
        let read: Named = read("two_fields", 1, r#"{"kind":2,"longName":1}"#);
        assert_eq!(
            read,
            Named::TwoFields {
                long_name: 1,
                second: 2
            }
        );
    }

    #[test]
    fn two_names_for_a_field_are_fine_if_an_alias_reads_what_is_written() {
        let named = Named::ReadByAlias { field: 1 };
        assert_eq!(written(&named), r#"{"new":1}"#);
        assert_eq!(replayed(&named), named);
    }

    #[test]
    fn option_may_be_left_out_without_a_default() {
        let named = Named::LeftOut { field: None };
        assert_eq!(written(&named), "{}");
        assert_eq!(replayed(&named), named);
    }

    #[test]
    fn missing_field_takes_its_default() {
        assert_eq!(
            read::<Named, _>("defaulted", 1, "{}"),
            Named::Defaulted { field: 0 }
        );
    }

    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    enum Nested {
        Unit,
        New(Box<Nested>),
        Fields { deep: Vec<Option<Nested>> },
    }

    #[derive(Debug, Clone, Serialize, Deserialize, Mutations)]
    #[mutations(state = Nothing)]
    enum Hard {
        #[mutation(apply = keep)]
        Wide { cents: u128 },
        #[mutation(apply = keep)]
        Negative(i128),
        #[mutation(apply = keep)]
        ByNumber { scores: BTreeMap<u32, bool> },
        #[mutation(apply = keep)]
        Raw { json: Box<RawValue> },
        #[mutation(apply = keep_two)]
        Optional(Option<u8>, Option<Vec<u8>>),
        #[mutation(apply = keep)]
        Nested(Nested),
    }

    #[test]
    fn integers_of_128_bits_come_back() {
        let wide = replayed(&Hard::Wide { cents: u128::MAX });
        assert!(matches!(wide, Hard::Wide { cents: u128::MAX }));
        let negative = replayed(&Hard::Negative(i128::MIN));
        assert!(matches!(negative, Hard::Negative(i128::MIN)));
    }

    #[test]
    fn maps_with_integer_keys_come_back() {
        let scores = BTreeMap::from([(7, true), (u32::MAX, false)]);
        let hard = Hard::ByNumber {
            scores: scores.clone(),
        };
        assert_eq!(
            written(&hard),
            r#"{"scores":{"7":true,"4294967295":false}}"#
        );
        assert!(matches!(replayed(&hard), Hard::ByNumber { scores: back } if back == scores));
    }

    #[test]
    fn raw_json_comes_back_to_the_letter() {
        let json = RawValue::from_string("[1,  2.50, {\"a\":null}]".to_owned()).unwrap();
        let Hard::Raw { json: back } = replayed(&Hard::Raw { json: json.clone() }) else {
            panic!("another variant came back");
        };
        assert_eq!(back.get(), json.get());
    }

    #[test]
    fn options_and_nested_enums_come_back() {
        let optional = replayed(&Hard::Optional(None, Some(vec![1])));
        assert!(matches!(optional, Hard::Optional(None, Some(bytes)) if bytes == [1]));
        let deep = vec![None, Some(Nested::New(Box::new(Nested::Unit)))];
        let nested = Nested::Fields { deep };
        let Hard::Nested(back) = replayed(&Hard::Nested(nested.clone())) else {
            panic!("another variant came back");
        };
        assert_eq!(back, nested);
    }
}

mod with_an_output {
    use super::*;

    #[derive(Debug, PartialEq)]
    enum Receipt {
        Balance(u64),
        Closed(Option<u64>),
    }

    impl From<Option<u64>> for Receipt {
        fn from(cents: Option<u64>) -> Self {
            Receipt::Closed(cents)
        }
    }

    fn pay_in(bank: &mut Bank, account: String, cents: u64) -> Receipt {
        bank.deposit(account.clone(), cents);
        Receipt::Balance(bank.accounts[&account])
    }

    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Mutations)]
    #[mutations(state = Bank, output = Receipt)]
    enum ReceiptOp {
        #[mutation(apply = pay_in)]
        Deposit {
            account: String,
            cents: u64,
        },
        Close(Close),
    }

    fn pay(cents: u64) -> ReceiptOp {
        ReceiptOp::Deposit {
            account: "ann".to_owned(),
            cents,
        }
    }

    #[test]
    fn executing_the_enum_gives_what_the_handler_returned() {
        let mut bank = Bank::default();
        assert_eq!(pay(3).execute(&mut bank), Receipt::Balance(3));
        assert_eq!(pay(4).execute(&mut bank), Receipt::Balance(7));
    }

    #[test]
    fn executing_the_enum_converts_the_output_of_a_payload() {
        let mut bank = Bank::default();
        pay(3).apply(&mut bank);
        let close = Close {
            account: "ann".to_owned(),
        };
        assert_eq!(
            ReceiptOp::Close(close.clone()).execute(&mut bank),
            Receipt::Closed(Some(3))
        );
        assert_eq!(close.execute(&mut bank), None);
    }

    #[test]
    fn apply_runs_both_kinds_of_variants() {
        let mut bank = Bank::default();
        pay(3).apply(&mut bank);
        assert_eq!(bank.accounts.len(), 1);
        ReceiptOp::Close(Close {
            account: "ann".to_owned(),
        })
        .apply(&mut bank);
        assert_eq!(bank.accounts.len(), 0);
    }

    #[test]
    fn the_enum_accepts_itself_and_its_payloads() {
        fn accepted<M: Accepts<O>, O>(operation: O) -> M {
            M::from(operation)
        }
        let close = Close {
            account: "ann".to_owned(),
        };
        assert_eq!(accepted::<ReceiptOp, _>(pay(3)), pay(3));
        assert_eq!(
            accepted::<ReceiptOp, _>(close.clone()),
            ReceiptOp::Close(close)
        );
    }
}

mod generics {
    use super::*;

    #[derive(Debug, PartialEq)]
    struct Map<T, const N: usize>(BTreeMap<u32, T>);

    impl<T: Clone, const N: usize> Map<T, N> {
        fn fill(&mut self, value: &T) {
            for key in 0..u32::try_from(N).unwrap() {
                self.0.insert(key, value.clone());
            }
        }
    }

    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    struct Put<T>(u32, T);

    impl<T, const N: usize> Operation<Map<T, N>> for Put<T> {
        type Output = Option<T>;

        fn execute(self, map: &mut Map<T, N>) -> Option<T> {
            map.0.insert(self.0, self.1)
        }
    }

    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    struct Clear;

    impl<T, const N: usize> Operation<Map<T, N>> for Clear {
        type Output = ();

        fn execute(self, map: &mut Map<T, N>) {
            map.0.clear();
        }
    }

    fn fill<T: Clone, const N: usize>(map: &mut Map<T, N>, value: T) {
        map.fill(&value);
    }

    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Mutations)]
    #[mutations(state = Map<T, N>)]
    enum MapOp<T, P, const N: usize>
    where
        T: Clone,
    {
        Put(Put<T>),
        Clear(Clear),
        #[mutation(apply = fill::<T, N>)]
        Fill {
            value: T,
        },
        Plugin(P),
    }

    #[test]
    fn the_enum_may_be_generic_over_values_operations_and_numbers() {
        type Op = MapOp<String, Put<String>, 2>;
        let mut map = Map(BTreeMap::new());
        Op::Fill {
            value: "a".to_owned(),
        }
        .apply(&mut map);
        Op::from(Put(1, "b".to_owned())).apply(&mut map);
        Op::Plugin(Put(2, "c".to_owned())).apply(&mut map);
        let values: Vec<_> = map.0.values().map(String::as_str).collect();
        assert_eq!(values, ["a", "b", "c"]);
        Op::from(Clear).apply(&mut map);
        assert_eq!(map, Map(BTreeMap::new()));
    }

    #[test]
    fn generic_mutations_come_back() {
        type Op = MapOp<u128, Clear, 0>;
        let put = Op::Put(Put(1, u128::MAX));
        assert_eq!(replayed(&put), put);
    }

    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Mutations)]
    #[mutations(state = Map<T, 0>, output = Option<T>)]
    enum AnsweringOp<T> {
        Put(Put<T>),
        #[mutation(apply = get)]
        Get {
            key: u32,
            otherwise: T,
        },
    }

    fn get<T>(map: &mut Map<T, 0>, key: u32, otherwise: T) -> Option<T> {
        map.0.insert(key, otherwise)
    }

    #[test]
    fn the_output_may_be_generic() {
        let mut map = Map(BTreeMap::new());
        assert_eq!(AnsweringOp::Put(Put(1, "a")).execute(&mut map), None);
        let get = AnsweringOp::Get {
            key: 1,
            otherwise: "b",
        };
        assert_eq!(get.execute(&mut map), Some("a"));
    }
}

mod elsewhere {
    use super::*;

    mod framework {
        pub(super) mod state {
            pub(in super::super) use ministate::*;
        }
    }

    #[derive(Clone, Serialize, Deserialize, framework::state::Mutations)]
    #[mutations(state = Bank, crate = self::framework::state)]
    enum FrameworkOp {
        Deposit { account: String, cents: u64 },
    }

    #[test]
    fn ministate_may_be_found_under_another_path() {
        let mut bank = Bank::default();
        FrameworkOp::Deposit {
            account: "ann".to_owned(),
            cents: 3,
        }
        .apply(&mut bank);
        assert_eq!(bank.accounts["ann"], 3);
    }

    #[test]
    fn an_enum_may_stand_in_a_function() {
        #[derive(Default)]
        struct Local(u8);

        impl Local {
            fn add(&mut self, by: u8) {
                self.0 += by;
            }
        }

        #[derive(Clone, Serialize, Deserialize, Mutations)]
        #[mutations(state = Local)]
        enum LocalOp {
            Add { by: u8 },
        }

        let mut local = Local::default();
        LocalOp::Add { by: 2 }.apply(&mut local);
        assert_eq!(local.0, 2);
    }

    #[test]
    fn an_enum_may_come_from_a_macro() {
        macro_rules! operations {
            ($name:ident, $state:ty, $($variant:ident { $field:ident: $ty:ty } => $handler:path),*) => {
                #[derive(Clone, Serialize, Deserialize, Mutations)]
                #[mutations(state = $state)]
                enum $name {
                    $(#[mutation(apply = $handler)] $variant { $field: $ty }),*
                }
            };
        }

        fn ping(bank: &mut Bank, code: u16) {
            bank.http_ping(code);
        }

        operations!(MadeOp, Bank, Ping { code: u16 } => ping);
        let mut bank = Bank::default();
        MadeOp::Ping { code: 7 }.apply(&mut bank);
        assert_eq!(bank.log, ["ping 7"]);
    }
}

/// Compiles, and `cargo clippy` finds nothing to say: that is the test. What concerns crates as a
/// whole is in `ui/pass`.
mod silence {
    #![deny(
        warnings,
        missing_docs,
        unused_qualifications,
        single_use_lifetimes,
        unused_results
    )]
    #![deny(
        let_underscore_drop,
        trivial_casts,
        variant_size_differences,
        unreachable_pub
    )]
    #![deny(clippy::all, clippy::pedantic, clippy::nursery)]

    use ministate::{Mutator as _, Operation};

    pub(super) struct Vault(u128);

    impl Vault {
        const fn add(&mut self, by: u128) {
            self.0 += by;
        }

        const fn add_twice(&mut self, first: u128, second: u128) {
            self.0 += first + second;
        }

        const fn reset(&mut self) {
            self.0 = 0;
        }
    }

    #[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
    #[deprecated]
    pub(super) struct Take;

    #[expect(deprecated)]
    impl Operation<Vault> for Take {
        type Output = u128;

        fn execute(self, vault: &mut Vault) -> u128 {
            std::mem::take(&mut vault.0)
        }
    }

    #[derive(serde::Deserialize)]
    #[deprecated]
    pub(super) struct AddV1(u8);

    #[expect(deprecated)]
    impl From<AddV1> for VaultOp {
        fn from(old: AddV1) -> Self {
            Self::Add { by: old.0.into() }
        }
    }

    #[derive(Debug, Clone, serde::Serialize, serde::Deserialize, ministate::Mutations)]
    #[mutations(state = Vault, retired(tag = "gone", versions = 1..=1, drop))]
    #[allow(deprecated, clippy::allow_attributes)]
    pub(super) enum VaultOp {
        #[mutation(version = 2, from(1 = AddV1))]
        Add {
            by: u128,
        },
        AddTwice(u128, u128),
        #[deprecated]
        Reset,
        Take(Take),
    }

    #[test]
    fn generated_code_is_not_noticed() {
        let mut vault = Vault(0);
        VaultOp::Add { by: 1 }.apply(&mut vault);
        VaultOp::AddTwice(1, 2).apply(&mut vault);
        assert_eq!(vault.0, 4);
    }
}
