//! Generated code fits wherever an enum may stand.

use ministate::{Mutations, Mutator};
use serde::{Deserialize, Serialize};

use super::Bank;

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
    FrameworkOp::Deposit { account: "ann".to_owned(), cents: 3 }.apply(&mut bank);
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
