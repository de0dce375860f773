//! Generated code is not noticed by lints.
//!
//! This file compiles, and `cargo clippy` finds nothing to say: that is the test. What concerns
//! crates as a whole is in `ui/pass`.
#![deny(warnings, missing_docs, unused_qualifications, single_use_lifetimes, unused_results)]
#![deny(let_underscore_drop, trivial_casts, variant_size_differences, unreachable_pub)]
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

#[derive(Debug, Default, Clone, serde::Serialize, serde::Deserialize)]
pub(super) struct Safe {
    cents: u128,
}

impl Safe {
    const fn add(&mut self, by: u128) {
        self.cents = self.cents.wrapping_add(by);
    }
}

#[derive(serde::Deserialize)]
struct SafeV1 {
    cents: u64,
}

impl From<SafeV1> for Safe {
    fn from(old: SafeV1) -> Self {
        Self { cents: old.cents.into() }
    }
}

#[derive(Debug, Clone, serde::Serialize, serde::Deserialize, ministate::Mutations)]
#[mutations(
    state = Safe,
    state_version = 2,
    state_from(1 = SafeV1),
    lock = "schema/safe.lock.jsonl",
    pin_handlers,
    retired(tag = "gone", versions = 1..=1, drop),
    reserved("never")
)]
pub(super) enum SafeOp {
    Add { by: u128 },
}

#[test]
fn generated_code_is_not_noticed() {
    let mut vault = Vault(0);
    VaultOp::Add { by: 1 }.apply(&mut vault);
    VaultOp::AddTwice(1, 2).apply(&mut vault);
    assert_eq!(vault.0, 4);
}
