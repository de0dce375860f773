//! What does `#[derive(Mutations)]` accept, and what does it write?
//!
//! This crate is the macro alone; use it through the crate `ministate`, which documents it where
//! users find it.
//!
//! The way of an enum through the house: `attr` reads the keys of an attribute and `value` their
//! values, `input` makes the model of the enum, `check`, `tags` and `serde` find every mistake in
//! it, `expand`, `decode` and `lock` write the code. All mistakes are reported in one compile (`errors`),
//! beside an implementation that keeps them from causing others.

// What is published says what it is, or it is not published.
#![deny(missing_docs)]

mod value;
mod attr;
mod input;
mod check;
mod tags;
mod serde;
mod expand;
mod decode;
mod lock;
mod errors;

/// Makes an enum of operations a `Mutator`: one variant per operation on the state.
///
/// The enum also derives `Clone`, `Serialize` and `Deserialize`. Its payloads are whatever these
/// say they are: every serde attribute on a field works, save those that lose data.
///
/// # What runs for a variant
///
/// | variant | runs |
/// |---|---|
/// | `Deposit { account: String, cents: u64 }` | the method `state.deposit(account, cents)` |
/// | `Move(String, String)` | the method `state.r#move(first, second)` |
/// | `Reset` | the method `state.reset()` |
/// | `Close(CloseAccount)` | `Operation::execute` of the payload, whose output the caller gets |
/// | any of them with `apply = path` | the function `path(state, fields...)` |
///
/// A method bears the variant's name in snake case and takes the fields by value, in the order of
/// declaration. Methods and functions return `()`, or the type that the enum declares as `output`.
///
/// # Keys on the enum: `#[mutations(..)]`
///
/// | key | meaning |
/// |---|---|
/// | `state = Bank` | the state that the operations change; required |
/// | `state_version = 2` | the version of the state's shape that snapshots are written in; by default 1 |
/// | `state_from(1 = BankV1)` | the types of its older versions; grammar and hops are those of `from` on a variant, and the last hop ends in the state |
/// | `state_oldest = 2` | snapshots of versions below it are not read |
/// | `output = Type` | what every method and `apply` function returns; the enum itself becomes an `Operation` with this output, into which the outputs of payloads convert by `From` |
/// | `retired(tag = "freeze", from(1 = FreezeV1), into = path)` | the enum no longer has the operation; the function `path` makes its last version a mutation of today (`into = try path` if it may fail); `oldest = n` as on a variant |
/// | `retired(tag = "ping", versions = 1..=2, drop)` | the enum no longer has the operation, and its records change nothing |
/// | `reserved("debug_poke")` | tags that no operation may bear again, and that are not read |
/// | `lock = "schema/bank.lock.jsonl"` | a file, from the crate's directory, that a test holds the enum to; see below |
/// | `pin_handlers` | the lock holds what handlers do, too |
/// | `crate = path` | where ministate is, if not at `::ministate` |
///
/// # Keys on a variant: `#[mutation(..)]`
///
/// | key | meaning |
/// |---|---|
/// | `tag = "deposit"` | the operation's name in the journal; by default the variant's name in snake case |
/// | `version = 3` | the version that is written; by default 1 |
/// | `from(1 = DepositV1, 2 = DepositV2)` | the types of the older versions, which need only `Deserialize` |
/// | `oldest = 2` | records of versions below it are refused |
/// | `alias("pay_in")` | further tags that are read, and never written |
/// | `apply = path` | the function to run in place of the method or the payload's `execute` |
/// | `sample("{..}", ..)` | payloads, as JSON, for the schema lock to go by |
///
/// Each old version converts by `From` into the next one listed, and the last one into the
/// payload's type if the variant has exactly one unnamed field, else into the enum. A function
/// takes the place of `From` in `from(1 = DepositV1 => path)`, and one that returns a `Result` in
/// `from(1 = DepositV1 => try path)`. Every version below the current one is listed, or lies below
/// `oldest`; so a record of every released version is read, or the enum does not compile.
///
/// # What is written
///
/// - `impl Mutator<State>` for the enum, with its tags and versions.
/// - `impl From<Payload>` and `impl Accepts<Payload>` for the enum, for each variant that runs its
///   payload's `execute`. A payload that is a bare type parameter gets neither.
/// - With `output`: `impl Operation<State>` and `impl Accepts<Enum>` for the enum.
///
/// Generics and where-clauses are kept, lifetimes are refused: an operation owns its data.
///
/// - With `lock`, in tests: a test that compares the enum with its schema lock.
///
/// # The schema lock
///
/// The compiler does not see that a payload's shape changed without a new `version`. A test can:
/// with `lock = "schema/bank.lock.jsonl"` the derive writes one, `schema_lock_of_bank_op`. It asks
/// the types what they look like (through their `Deserialize`, so every serde attribute counts),
/// and compares with the committed file: one line for each way a record can look, with what it
/// means today. `MINISTATE_LOCK=accept cargo test` writes additions into the file, and
/// `MINISTATE_LOCK=release cargo test` says that they are out, from when on they keep their meaning.
/// Without it nothing is written, and where `CI` is set nothing can be. With `pin_handlers` the file
/// also holds the states that handlers lead to. This is the golden file of serialization formats,
/// made by a machine.
///
/// An enum inside of a function gets no test, since the compiler collects none there.
///
/// # What it costs
///
/// `cargo check` of an enum of 200 operations with three fields each takes 1.1 times as long as with
/// serde's derives alone; measured with `cargo run --release -p ministate-benches -- compile`.
///
/// # What it does not do
///
/// It does not serialize: that is serde's derive beside it. It does not look into the types of
/// fields: without a schema lock, a payload's shape that changes without a new `version` goes
/// unnoticed. It writes no function that you can call, and no documentation.
#[proc_macro_derive(Mutations, attributes(mutations, mutation, serde))]
pub fn derive_mutations(input: proc_macro::TokenStream) -> proc_macro::TokenStream {
    let input = syn::parse_macro_input!(input as syn::DeriveInput);
    expand::derive(&input).into()
}
