//! Generated code is not noticed in a crate that denies every lint, and asks for no name in scope.

#![no_implicit_prelude]
#![deny(warnings, missing_docs, unused, unreachable_pub, unused_qualifications)]
#![deny(missing_copy_implementations, missing_debug_implementations, unnameable_types)]
#![deny(future_incompatible, nonstandard_style, rust_2018_idioms, rust_2021_compatibility)]
#![deny(let_underscore, trivial_casts, unused_lifetimes, unused_results, variant_size_differences)]
#![forbid(unsafe_code)]

/// Names that generated code must not take for others.
#[allow(missing_copy_implementations, missing_debug_implementations)]
pub mod names {
    /// No result.
    pub struct Result;
    /// No option.
    pub struct Option;
    /// No success.
    pub struct Ok;
    /// No failure.
    pub struct Err;
    /// No value.
    pub struct Some;
    /// No vector.
    pub struct Vec;
    /// No crate.
    pub mod core {}
    /// No crate.
    pub mod std {}
    /// No crate.
    pub mod serde {}
    /// No crate.
    pub mod ministate {}

    /// A state.
    #[derive(::std::fmt::Debug, ::std::default::Default)]
    pub struct Counter(i64);

    impl Counter {
        fn add(&mut self, by: i64) -> i64 {
            self.0 += by;
            self.0
        }
    }

    /// An operation with an output of its own.
    #[derive(::std::fmt::Debug, ::std::clone::Clone, ::serde::Serialize, ::serde::Deserialize)]
    pub struct Reset;

    impl ::ministate::Operation<Counter> for Reset {
        type Output = ();

        fn execute(self, counter: &mut Counter) {
            counter.0 = 0;
        }
    }

    /// An old version.
    #[deprecated]
    #[derive(::std::fmt::Debug, ::serde::Deserialize)]
    pub struct AddV1(i32);

    /// A receipt.
    #[derive(::std::fmt::Debug)]
    pub struct Receipt;

    impl ::std::convert::From<()> for Receipt {
        fn from(_: ()) -> Self {
            Receipt
        }
    }

    fn receipt(_: &mut Counter) -> Receipt {
        Receipt
    }

    #[allow(deprecated)]
    impl ::std::convert::From<AddV1> for CounterOp {
        fn from(old: AddV1) -> Self {
            CounterOp::Add { by: ::std::convert::From::from(old.0) }
        }
    }

    /// Operations without an output.
    #[derive(
        ::std::fmt::Debug,
        ::std::clone::Clone,
        ::serde::Serialize,
        ::serde::Deserialize,
        ::ministate::Mutations,
    )]
    #[mutations(
        state = Counter,
        output = i64,
        retired(tag = "ping", versions = 1..=2, drop),
        retired(tag = "plus", from(1 = i64), into = plus),
    )]
    #[allow(deprecated)]
    pub enum CounterOp {
        /// Adds.
        #[mutation(version = 2, from(1 = AddV1))]
        Add {
            /// How much.
            by: i64,
        },
    }

    fn plus(by: i64) -> CounterOp {
        CounterOp::Add { by }
    }

    /// Operations with outputs.
    #[derive(
        ::std::fmt::Debug,
        ::std::clone::Clone,
        ::serde::Serialize,
        ::serde::Deserialize,
        ::ministate::Mutations,
    )]
    #[mutations(state = Counter, output = Receipt)]
    pub enum ReceiptOp {
        /// Resets.
        Reset(Reset),
        /// Does nothing, and says so.
        #[mutation(apply = receipt)]
        Nothing,
    }
}

fn main() {
    let mut counter: names::Counter = ::std::default::Default::default();
    let add = names::CounterOp::Add { by: 2 };
    ::ministate::Mutator::apply(&add, &mut counter);
    ::std::assert_eq!(::ministate::Operation::execute(add, &mut counter), 4);
}
