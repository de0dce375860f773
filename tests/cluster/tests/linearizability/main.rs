//! Does the checker of histories find the order where there is one, and only there?

mod brute_force;
mod known;
mod random;
mod simulated;

use ministate_cluster::linearizability::{
    Operation, Outcome, Register, RegisterAnswer, RegisterCall, Verdict,
};

type Done = Operation<&'static str, RegisterCall, RegisterAnswer>;
type Checked = Verdict<&'static str, Register>;

fn operation(
    process: usize,
    (invoked, returned): (u64, u64),
    call: RegisterCall,
    outcome: Outcome<RegisterAnswer>,
) -> Done {
    Operation { process, key: "a", call, outcome, invoked, returned }
}
