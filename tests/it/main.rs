//! What ministate promises, one module a promise.

mod power_cuts;
