//! What an application provides: mutations, operations, and the contract the derive fills.

use std::any::{Any, TypeId, type_name};
use std::fmt;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::schema::{self, DecodeError, Schema, Tag};

/// A change to a state `S`.
///
/// Written by [`#[derive(Mutations)]`](macro@crate::Mutations) for an enum of operations, or by
/// hand for a single type:
///
/// ```
/// use ministate::Mutator;
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Default)]
/// struct Counter {
///     value: u32,
/// }
///
/// #[derive(Serialize, Deserialize)]
/// struct Inc {
///     by: u32,
/// }
///
/// impl Mutator<Counter> for Inc {
///     fn apply(&self, state: &mut Counter) {
///         state.value += self.by;
///     }
/// }
///
/// let mut counter = Counter::default();
/// Inc { by: 2 }.apply(&mut counter);
/// assert_eq!(counter.value, 2);
/// ```
///
/// # What must hold
///
/// A mutation is applied once when it is made and once at every later start of the program, so
/// it has to be **deterministic**: the same mutation on the same state gives the same state. Read
/// no clock, no random numbers, no files and no global variables in `apply`; put what you need
/// from them into the mutation's fields. Iterating a `HashMap` is such a random number.
///
/// `apply` cannot fail. A mutation that turns out to be impossible is an outcome like any other:
/// leave the state as it is, and tell the caller with [`Operation::Output`].
///
/// This is the deterministic state machine of replicated logs, with a journal in place of the
/// network.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a mutation of `{S}`",
    label = "not a `Mutator<{S}>`",
    note = "add `#[derive(Mutations)]` and `#[mutations(state = {S})]` to an enum of operations, or implement `Mutator<{S}>` by hand"
)]
pub trait Mutator<S> {
    /// Changes the state.
    ///
    /// Runs after the mutation is on stable storage, while readers wait: keep it short, and do no
    /// I/O.
    fn apply(&self, state: &mut S);

    #[doc(hidden)]
    fn __schema() -> Schema
    where
        Self: Sized,
    {
        Schema::UNTAGGED
    }

    #[doc(hidden)]
    fn __tag(&self) -> Option<Tag>
    where
        Self: Sized,
    {
        None
    }

    #[doc(hidden)]
    fn __encode(&self, payload: &mut Vec<u8>) -> Result<(), serde_json::Error>
    where
        Self: Sized + Serialize,
    {
        serde_json::to_writer(payload, self)
    }

    #[doc(hidden)]
    fn __decode(tag: Option<(&str, u32)>, payload: &str) -> Result<Option<Self>, DecodeError>
    where
        Self: Sized + DeserializeOwned,
    {
        schema::decode_untagged(tag, payload).map(Some)
    }

    #[doc(hidden)]
    fn __decode_old_state(version: u32, _json: &str) -> Result<S, DecodeError>
    where
        Self: Sized,
    {
        Err(DecodeError::unknown_state(version))
    }

    #[doc(hidden)]
    fn __execute(self, state: &mut S, _reply: &mut Reply)
    where
        Self: Sized,
    {
        self.apply(state);
    }
}

/// One operation on a state `S` with a result of its own, the payload of a newtype variant.
///
/// ```
/// use ministate::{Mutations, Operation};
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Default)]
/// struct Stock {
///     apples: u32,
/// }
///
/// #[derive(Clone, Serialize, Deserialize)]
/// struct TakeApples {
///     count: u32,
/// }
///
/// impl Operation<Stock> for TakeApples {
///     /// How many are left, or how many are missing.
///     type Output = Result<u32, u32>;
///
///     fn execute(self, stock: &mut Stock) -> Result<u32, u32> {
///         match stock.apples.checked_sub(self.count) {
///             Some(left) => {
///                 stock.apples = left;
///                 Ok(left)
///             }
///             None => Err(self.count - stock.apples),
///         }
///     }
/// }
///
/// #[derive(Clone, Serialize, Deserialize, Mutations)]
/// #[mutations(state = Stock)]
/// enum StockOp {
///     Take(TakeApples),
/// }
///
/// let mut stock = Stock { apples: 3 };
/// assert_eq!(TakeApples { count: 2 }.execute(&mut stock), Ok(1));
/// assert_eq!(TakeApples { count: 2 }.execute(&mut stock), Err(1));
/// ```
///
/// Everything that [`Mutator`] says of determinism holds here. A rejection is an outcome: the
/// operation is journaled and rejected again at every replay, in the same way.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an operation on `{S}`",
    label = "not an `Operation<{S}>`",
    note = "implement `Operation<{S}>` for `{Self}`, or name a handler: `#[mutation(apply = path::to::function)]` on the variant"
)]
pub trait Operation<S> {
    /// What the caller of [`StateManager::execute`](crate::StateManager::execute) gets back.
    type Output;

    /// Changes the state, and says what came of it.
    fn execute(self, state: &mut S) -> Self::Output;
}

/// An enum of operations that has a variant for the operation `O`.
///
/// The derive implements it for the payload of every newtype variant, and, where
/// `#[mutations(output = ..)]` is given, for the enum itself. It is what makes
/// [`StateManager::execute`](crate::StateManager::execute) know its result at compile time.
///
/// ```
/// # use ministate::{MiniStateError, Mutations, Operation, StateManager};
/// # use serde::{Deserialize, Serialize};
/// # #[derive(Default, Serialize, Deserialize)]
/// # struct Stock { apples: u32 }
/// # #[derive(Clone, Serialize, Deserialize)]
/// # struct AddApples { count: u32 }
/// # impl Operation<Stock> for AddApples {
/// #     type Output = u32;
/// #     fn execute(self, stock: &mut Stock) -> u32 {
/// #         stock.apples += self.count;
/// #         stock.apples
/// #     }
/// # }
/// # #[derive(Clone, Serialize, Deserialize, Mutations)]
/// # #[mutations(state = Stock)]
/// # enum StockOp { Add(AddApples) }
/// use ministate::Accepts;
///
/// /// Executes any operation that the stock knows.
/// fn execute<O>(
///     stock: &StateManager<Stock, StockOp>,
///     operation: O,
/// ) -> Result<O::Output, MiniStateError>
/// where
///     O: Operation<Stock, Output: Send + 'static>,
///     StockOp: Accepts<O>,
/// {
///     Ok(stock.blocking_execute(operation)?.output)
/// }
/// # #[cfg(feature = "testing")]
/// # fn main() -> Result<(), MiniStateError> {
/// # let stock = ministate::testing::in_memory();
/// assert_eq!(execute(&stock, AddApples { count: 3 })?, 3);
/// # Ok(())
/// # }
/// # #[cfg(not(feature = "testing"))]
/// # fn main() {}
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` has no variant that executes `{O}`",
    label = "cannot be executed as a `{Self}`",
    note = "add a newtype variant `Name({O})` to `{Self}`; to execute values of the enum itself, declare their result: `#[mutations(output = ..)]`"
)]
pub trait Accepts<O>: From<O> {
    /// Only the derive knows that operation and handler belong together.
    #[doc(hidden)]
    const __DERIVED: ();
}

/// Where the handler of an executed operation leaves its result.
#[doc(hidden)]
pub struct Reply(Option<Wanted>);

struct Wanted {
    output: TypeId,
    place: Option<Box<dyn Any + Send>>,
}

impl Reply {
    pub fn discarded() -> Self {
        Self(None)
    }

    pub(crate) fn wanted<T: Any>() -> Self {
        Self(Some(Wanted { output: TypeId::of::<T>(), place: None }))
    }

    /// Whether the caller waits for an output of this type: an operation that is executed as
    /// itself has another output than one that is executed as a value of its enum.
    pub fn wants<T: Any>(&self) -> bool {
        self.0.as_ref().is_some_and(|wanted| wanted.output == TypeId::of::<T>())
    }

    pub fn put<T: Any + Send>(&mut self, output: T) {
        if let Some(wanted) = &mut self.0 {
            wanted.place = Some(Box::new(output));
        }
    }

    pub(crate) fn into_output(self) -> Option<Box<dyn Any + Send>> {
        self.0.and_then(|wanted| wanted.place)
    }
}

impl fmt::Debug for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(type_name::<Self>())
    }
}

/// Executes the payload of a variant, and hands on its output.
#[doc(hidden)]
pub fn execute<O, S, R>(operation: O, state: &mut S, answer: impl FnOnce(O::Output) -> R) -> R
where
    O: Operation<S, Output: Any + Send>,
{
    answer(operation.execute(state))
}
