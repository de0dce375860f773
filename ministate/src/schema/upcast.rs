//! By which steps does a derived enum read an old version as the current one?

use std::error::Error;

use super::DecodeError;

/// A step that is an `impl From`.
#[diagnostic::on_unimplemented(
    message = "no upcast from `{Self}` to `{T}`: the chain of versions has a gap",
    label = "does not convert into `{T}`",
    note = "add `impl From<{Self}> for {T}`",
    note = "or name a function that converts: `from(.. = {Self} => path)`, or `=> try path` if it may fail"
)]
pub trait Upcast<T> {
    /// Reads the old version as the next one.
    fn upcast(self) -> T;
}

#[diagnostic::do_not_recommend]
impl<A, B: From<A>> Upcast<B> for A {
    fn upcast(self) -> B {
        B::from(self)
    }
}

/// What a function that stands for a step has to return: the next type itself.
#[diagnostic::on_unimplemented(
    message = "this function returns `{Self}` in place of `{T}`",
    label = "does not return `{T}`",
    note = "a function that may fail returns `Result<{T}, _>` and is named with `try`: `=> try path`, or `into = try path`"
)]
pub trait Upcasted<T> {
    /// The value itself.
    fn upcasted(self) -> T;
}

#[diagnostic::do_not_recommend]
impl<T> Upcasted<T> for T {
    fn upcasted(self) -> T {
        self
    }
}

/// Takes what the function of a step returned.
pub fn upcasted<T, R: Upcasted<T>>(returned: R) -> T {
    returned.upcasted()
}

/// Takes what the fallible function of a step returned.
///
/// # Errors
///
/// The function returned one.
pub fn try_upcasted<T, E>(returned: Result<T, E>) -> Result<T, DecodeError>
where
    E: Into<Box<dyn Error + Send + Sync>>,
{
    returned.map_err(DecodeError::upcast)
}
