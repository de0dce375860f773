//! The guide shows messages, and each of them is one that is printed.

#![expect(unnameable_test_items, reason = "the guide's enums are judged by its tests")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use ministate::__private::{Locked, judge};
use ministate::Mutations;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

const GUIDE: &str = include_str!("../../ministate/docs/guide.md");

/// The texts in the guide that are not code.
fn messages() -> Vec<&'static str> {
    let blocks = GUIDE.split("```text\n").skip(1);
    blocks.map(|block| block.split("\n```").next().unwrap()).collect()
}

fn every_line_is_in(message: &str, printed: &str) -> bool {
    message.lines().all(|line| printed.contains(line))
}

fn compilers() -> String {
    let ui = Path::new(env!("CARGO_MANIFEST_DIR")).join("ui");
    let mut text = String::new();
    for dir in [ui.clone(), ui.join("rustc")] {
        let entries = dir.read_dir().unwrap().map(|entry| entry.unwrap().path());
        let is_message = |path: &PathBuf| path.extension().is_some_and(|it| it == "stderr");
        for path in entries.filter(is_message) {
            text += &std::fs::read_to_string(path).unwrap();
        }
    }
    text
}

#[test]
fn every_message_of_the_compiler_in_the_guide_is_given() {
    let given = compilers();
    let shown: Vec<_> = messages().into_iter().filter(|text| text.starts_with("error")).collect();
    assert!(shown.len() >= 4, "the guide shows {}", shown.len());
    for message in shown {
        assert!(given.contains(&format!("{message}\n")), "{message}");
    }
}

#[test]
fn every_message_of_the_lock_in_the_guide_is_printed() {
    let printed = reports();
    // Those of an opening are held by the example `evolve_schema`, those of the kit for tests below.
    let is_of_the_lock = |text: &&str| {
        !["error", "mutation "].iter().any(|start| text.starts_with(start))
            && !text.contains("bank.wal")
    };
    let shown: Vec<_> = messages().into_iter().filter(is_of_the_lock).collect();
    assert!(shown.len() >= 7, "the guide shows {}", shown.len());
    for message in shown {
        let is_printed = printed.iter().any(|report| every_line_is_in(message, report));
        assert!(is_printed, "{message}\n\nis not in any of\n\n{}", printed.join("\n\n"));
    }
}

#[test]
fn every_message_of_the_kit_in_the_guide_is_printed() {
    #[derive(Debug, Default, Serialize, Deserialize)]
    struct Desk {
        until: BTreeMap<String, u64>,
    }

    #[derive(Debug, Clone, Serialize, Deserialize, Mutations)]
    #[mutations(state = Desk)]
    enum DeskOp {
        Lend { tool: String },
        TakeBack { tool: String },
    }

    impl Desk {
        fn lend(&mut self, tool: String) {
            self.until.insert(tool, std::time::UNIX_EPOCH.elapsed().unwrap().as_secs());
        }

        #[expect(clippy::needless_pass_by_value, reason = "an operation hands over its fields")]
        fn take_back(&mut self, tool: String) {
            self.until.remove(&tool);
        }
    }

    let drill = || "drill".to_string();
    let mutations = [DeskOp::TakeBack { tool: drill() }, DeskOp::Lend { tool: drill() }];
    let panic = std::panic::catch_unwind(|| {
        ministate::testing::assert_deterministic(Desk::default(), mutations);
    });
    let printed = panic.unwrap_err().downcast::<String>().unwrap();
    // The time is another with every run.
    let without_times = |text: &str| text.replace(|letter: char| letter.is_ascii_digit(), "");
    let shown: Vec<_> =
        messages().into_iter().filter(|text| text.starts_with("mutation ")).collect();
    assert_eq!(shown.len(), 1);
    for message in shown {
        assert_eq!(without_times(message), without_times(&printed));
    }
}

#[derive(Debug, Default, Clone, Serialize, Deserialize)]
struct Bank {
    cents: u64,
}

#[derive(Debug, Default, Clone, Serialize, Deserialize)]
struct BankV1 {
    cents: BTreeMap<String, u64>,
}

#[derive(Debug, Default, Clone, Serialize, Deserialize)]
struct NewBank {
    accounts: BTreeMap<String, u64>,
}

fn one<S, A>(_state: &mut S, _first: A) {}

fn two<S, A, B>(_state: &mut S, _first: A, _second: B) {}

fn three<S, A, B, C>(_state: &mut S, _first: A, _second: B, _third: C) {}

/// All that the lock prints for the mistakes of the guide.
fn reports() -> Vec<String> {
    macro_rules! version {
        ($name:ident, $state:ty, { $($variants:tt)* }) => {
            #[derive(Debug, Clone, Serialize, Deserialize, Mutations)]
            #[mutations(state = $state, lock = "schema/bank.lock.jsonl")]
            enum $name {
                $($variants)*
            }
        };
    }
    macro_rules! second {
        ($module:ident, $factor:literal) => {
            mod $module {
                use super::{Bank, Deserialize, Mutations, Serialize, three};

                #[derive(Debug, Clone, Serialize, Deserialize, Mutations)]
                #[mutations(state = Bank, lock = "schema/bank.lock.jsonl")]
                pub(super) enum BankOp {
                    #[mutation(version = 2, from(1 = DepositV1), apply = three)]
                    Deposit { account: String, cents: u64, memo: Option<String> },
                }

                #[derive(Deserialize)]
                pub(super) struct DepositV1 {
                    account: String,
                    dollars: u32,
                }

                impl From<DepositV1> for BankOp {
                    fn from(old: DepositV1) -> Self {
                        let cents = u64::from(old.dollars) * $factor;
                        BankOp::Deposit { account: old.account, cents, memo: None }
                    }
                }
            }
        };
    }
    version!(BankOp, Bank, {
        #[mutation(apply = two)]
        Deposit { account: String, dollars: u32 },
    });
    version!(WithoutVersion, Bank, {
        #[mutation(apply = three)]
        Deposit { account: String, cents: u64, memo: Option<String> },
    });
    version!(WithoutTag, Bank, {
        #[mutation(apply = two)]
        PayIn { account: String, dollars: u32 },
    });
    version!(WithText, Bank, {
        #[mutation(apply = one)]
        Note { #[serde(default)] text: String },
    });
    version!(WithBody, Bank, {
        #[mutation(apply = one)]
        Note { #[serde(default)] body: String },
    });
    version!(WithAdjust, Bank, {
        #[mutation(apply = two)]
        Adjust { account: String, cents: i64 },
        #[mutation(apply = one)]
        Open { account: String },
    });
    version!(WithoutAdjust, Bank, {
        #[mutation(apply = one)]
        Open { account: String },
    });
    version!(OldState, BankV1, {
        #[mutation(apply = one)]
        Open { account: String },
    });
    version!(NewState, NewBank, {
        #[mutation(apply = one)]
        Open { account: String },
    });
    second!(right, 100);
    second!(edited, 10);

    let first = released::<Bank, BankOp>("");
    let second = released::<Bank, right::BankOp>(&first);
    vec![
        refused::<Bank, BankOp>(""),
        refused::<Bank, WithoutVersion>(&first),
        refused::<Bank, WithoutTag>(&first),
        refused::<Bank, edited::BankOp>(&second),
        refused::<Bank, WithBody>(&released::<Bank, WithText>("")),
        refused::<Bank, WithoutAdjust>(&released::<Bank, WithAdjust>("")),
        refused::<NewBank, NewState>(&released::<BankV1, OldState>("")),
    ]
}

fn released<S, M>(lock: &str) -> String
where
    S: Default + Serialize + DeserializeOwned,
    M: Locked<S>,
{
    let accepted = judge::<S, M>(Some(lock), "accept", false).unwrap().unwrap();
    judge::<S, M>(Some(&accepted), "release", false).unwrap().unwrap()
}

fn refused<S, M>(lock: &str) -> String
where
    S: Default + Serialize + DeserializeOwned,
    M: Locked<S>,
{
    judge::<S, M>(Some(lock), "", true).unwrap_err()
}
