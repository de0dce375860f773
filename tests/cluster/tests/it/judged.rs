//! What the judge says of histories made by hand: of a sound one, and of that with one thing wrong.

use ministate::Operation as _;
use ministate_cluster::history::{Event, Line};
use ministate_cluster::judge::{self, Wrong};
use ministate_cluster::replica::IDS;
use ministate_cluster::state::{Answer, Call, Change, Registers, Seen};

/// Two processes: the first puts 5, adds 1, and reads 6; the second reads 6, and adds 1 of which it gets to
/// know nothing.
fn sound() -> [Vec<Line>; 2] {
    let (put, add) = (change(1, Call::Put(5)), change(2, Call::Add(1)));
    let unknown = change(IDS + 2, Call::Add(1));
    let digests = digests(&[put.clone(), add.clone(), unknown.clone()]);
    let both = seen(&[&put, &add]);
    let read = |id| Event::Read { id, seen: both.clone() };
    let end = Event::Final { applied: vec![1, 2, IDS + 2], digest: digests[3] };
    let sampled = |seq: usize| Event::Sampled { seq: seq as u64, digest: digests[seq] };
    let first = [
        (10, Event::Asked(put)),
        (20, Event::Changed { id: 1, seq: 1, answer: Answer::Was(None) }),
        (30, Event::Asked(add)),
        (40, Event::Changed { id: 2, seq: 2, answer: Answer::Is(Some(6)) }),
        (41, sampled(2)),
        (42, Event::Subscribed(1)),
        (43, Event::Given { seq: 1, id: 1 }),
        (44, Event::Lagged(2)),
        (45, Event::Given { seq: 2, id: 2 }),
        (46, Event::Subscribed(3)),
        (50, Event::AskedToRead { id: 3, key: 0 }),
        (60, read(3)),
        (70, Event::Asked(change(4, Call::Put(0)))),
        (80, Event::Refused { id: 4, error: "no".to_string() }),
        (81, Event::Asked(change(5, Call::Put(0)))),
        (82, Event::Left { id: 5 }),
        (88, Event::Given { seq: 3, id: IDS + 2 }),
        (90, end.clone()),
    ];
    let second = [
        (15, sampled(1)),
        (50, Event::AskedToRead { id: IDS + 1, key: 0 }),
        (60, read(IDS + 1)),
        (70, Event::Asked(unknown)),
        (80, Event::Unknown { id: IDS + 2, error: "who knows".to_string() }),
        (81, sampled(3)),
        (82, Event::Subscribed(1)),
        (83, Event::Trimmed { seq: 1, first: 2 }),
        (84, Event::Subscribed(3)),
        (85, Event::Given { seq: 3, id: IDS + 2 }),
        (90, end),
    ];
    [first.into(), second.into()]
        .map(|lines: Vec<_>| lines.into_iter().map(|(at, event)| Line { at, event }).collect())
}

fn change(id: u64, call: Call) -> Change {
    Change { id, key: 0, call }
}

/// What a read is answered that sees these changes.
fn read(id: u64, changes: &[&Change]) -> Event {
    Event::Read { id, seen: seen(changes) }
}

fn seen(changes: &[&Change]) -> Seen {
    let mut registers = Registers::default();
    for change in changes {
        (*change).clone().execute(&mut registers);
    }
    registers.seen()
}

/// Those of the states, from the first on.
fn digests(changes: &[Change]) -> Vec<u64> {
    let mut registers = Registers::default();
    let behind = changes.iter().map(|change| {
        change.clone().execute(&mut registers);
        registers.digest
    });
    [0].into_iter().chain(behind.collect::<Vec<_>>()).collect()
}

/// What the judge finds once what happened at a time in a process was something else.
fn wrongs(process: usize, at: u64, event: Event) -> Vec<Wrong> {
    let mut histories = sound();
    *happened(&mut histories[process], at) = Line { at, event };
    judge::judged(&histories).expect_err("something is wrong")
}

/// What the judge finds once nothing happened at a time in a process.
fn wrongs_without(process: usize, at: u64) -> Vec<Wrong> {
    let mut histories = sound();
    histories[process].retain(|line| line.at != at);
    judge::judged(&histories).expect_err("something is wrong")
}

fn happened(lines: &mut [Line], at: u64) -> &mut Line {
    lines.iter_mut().find(|line| line.at == at).expect("something happened then")
}

/// The same operations in all final states, which are as they should be behind them.
fn wrongs_with_applied(applied: &[u64]) -> Vec<Wrong> {
    let mut histories = sound();
    let asked: Vec<_> = histories.iter().flatten().cloned().collect();
    let asked = |id: &u64| {
        asked.iter().find_map(|line| match &line.event {
            Event::Asked(change) if change.id == *id => Some(change.clone()),
            _ => None,
        })
    };
    let changes: Vec<_> = applied.iter().filter_map(asked).collect();
    let (applied, digest) = (applied.to_vec(), *digests(&changes).last().unwrap());
    for lines in &mut histories {
        lines.retain(|line| !is_told_of_the_order(&line.event));
        let end = Event::Final { applied: applied.clone(), digest };
        lines.last_mut().unwrap().event = end;
    }
    judge::judged(&histories).expect_err("something is wrong")
}

fn is_told_of_the_order(event: &Event) -> bool {
    let is_of_a_subscription = matches!(
        event,
        Event::Subscribed(_) | Event::Given { .. } | Event::Lagged(_) | Event::Trimmed { .. }
    );
    is_of_a_subscription || matches!(event, Event::Sampled { .. })
}

#[test]
fn a_sound_history_is_judged_to_be_so() {
    let counts = judge::judged(&sound()).unwrap();
    assert_eq!((counts.acknowledged, counts.reads), (2, 2));
    assert_eq!((counts.unknown, counts.refused, counts.samples), (1, 1, 3));
    assert_eq!((counts.left, counts.given), (1, 4));
    assert_eq!((counts.lagged, counts.trimmed), (1, 1));
}

#[test]
fn an_acknowledged_change_that_is_lost_is_found() {
    let wrongs = wrongs_with_applied(&[1, IDS + 2]);
    assert!(wrongs.contains(&Wrong::Lost { id: 2, seq: 2, process: 0 }), "{wrongs:?}");
}

#[test]
fn a_change_that_was_applied_twice_is_found() {
    let wrongs = wrongs_with_applied(&[1, 2, IDS + 2, IDS + 2]);
    assert_eq!(wrongs, [Wrong::AppliedTwice { id: IDS + 2 }]);
}

#[test]
fn a_change_that_was_applied_though_it_was_refused_is_found() {
    let wrongs = wrongs_with_applied(&[1, 2, IDS + 2, 4]);
    assert_eq!(wrongs, [Wrong::AppliedThoughRefused { id: 4 }]);
}

#[test]
fn a_change_that_nobody_asked_for_is_found() {
    let wrongs = wrongs_with_applied(&[1, 2, IDS + 2, 7]);
    assert!(wrongs.contains(&Wrong::NeverAsked { id: 7 }), "{wrongs:?}");
}

#[test]
fn an_answer_that_was_not_given_is_found() {
    let answer = Answer::Is(Some(7));
    let wrongs = wrongs(0, 40, Event::Changed { id: 2, seq: 2, answer });
    assert_eq!(wrongs, [Wrong::OtherAnswer { id: 2 }]);
}

#[test]
fn a_state_that_diverged_is_found() {
    let wrongs = wrongs(1, 15, Event::Sampled { seq: 1, digest: 1 });
    assert_eq!(wrongs, [Wrong::Diverged { process: 1, seq: 1 }]);
}

#[test]
fn a_final_state_that_differs_is_found() {
    let digest = digests(&[change(1, Call::Put(5)), change(2, Call::Add(1))])[2];
    let wrongs = wrongs(1, 90, Event::Final { applied: vec![1, 2], digest });
    assert_eq!(wrongs, [Wrong::FinalStatesDiffer { process: 1 }]);
}

#[test]
fn a_state_that_went_back_is_found() {
    let (put, add) = (change(1, Call::Put(5)), change(2, Call::Add(1)));
    let wrongs = wrongs(1, 81, Event::Sampled { seq: 0, digest: digests(&[put, add])[0] });
    assert_eq!(wrongs, [Wrong::WentBack { process: 1, seq: 0 }]);
}

#[test]
fn a_read_that_lacks_what_was_acknowledged_before_is_found() {
    let stale = read(IDS + 1, &[&change(1, Call::Put(5))]);
    let wrongs = wrongs(1, 60, stale);
    assert!(
        matches!(&wrongs[..], [Wrong::Stale { id, seq: 1, known: 2 }, Wrong::NotLinearizable { .. }]
            if *id == IDS + 1),
        "{wrongs:?}"
    );
}

/// Of another number than the one that was changed last, so that no key alone tells.
#[test]
fn a_read_that_lacks_what_another_read_saw_before_is_found() {
    let mut histories = sound();
    let elsewhere = Event::AskedToRead { id: IDS + 1, key: 1 };
    *happened(&mut histories[1], 50) = Line { at: 61, event: elsewhere };
    let read = read(IDS + 1, &[&change(1, Call::Put(5))]);
    *happened(&mut histories[1], 60) = Line { at: 65, event: read };
    // Nobody was told of the second change, and yet the first process saw it.
    histories[0].retain(|line| line.at != 40);
    let wrongs = judge::judged(&histories).expect_err("something is wrong");
    assert_eq!(wrongs, [Wrong::Stale { id: IDS + 1, seq: 1, known: 2 }]);
}

#[test]
fn a_change_before_one_that_was_acknowledged_before_is_found() {
    let mut histories = sound();
    // The first change is asked for when the second was acknowledged.
    happened(&mut histories[0], 10).at = 47;
    happened(&mut histories[0], 20).at = 48;
    let wrongs = judge::judged(&histories).expect_err("something is wrong");
    let stale = Wrong::Stale { id: 1, seq: 1, known: 2 };
    assert!(matches!(&wrongs[..], [first, Wrong::NotLinearizable { .. }] if *first == stale));
}

#[test]
fn a_read_of_a_number_that_was_not_there_is_found() {
    let mut seen = seen(&[&change(1, Call::Put(5)), &change(2, Call::Add(1))]);
    // Not the one that it was about.
    seen.numbers.insert(1, 7);
    let wrongs = wrongs(1, 60, Event::Read { id: IDS + 1, seen });
    assert_eq!(wrongs, [Wrong::OtherAnswer { id: IDS + 1 }]);
}

#[test]
fn a_read_of_a_state_that_diverged_is_found() {
    let mut seen = seen(&[&change(1, Call::Put(5)), &change(2, Call::Add(1))]);
    seen.digest ^= 1;
    let wrongs = wrongs(1, 60, Event::Read { id: IDS + 1, seen });
    assert_eq!(wrongs, [Wrong::Diverged { process: 1, seq: 2 }]);
}

#[test]
fn a_change_that_a_subscription_left_out_is_found() {
    let wrongs = wrongs_without(0, 43);
    assert_eq!(wrongs, [Wrong::Withheld { process: 0, seq: 1 }]);
}

#[test]
fn a_change_that_a_subscription_left_out_in_the_end_is_found() {
    let wrongs = wrongs_without(1, 85);
    assert_eq!(wrongs, [Wrong::Withheld { process: 1, seq: 3 }]);
}

#[test]
fn a_subscription_that_does_not_go_on_where_the_last_one_stopped_is_found() {
    let wrongs = wrongs(0, 46, Event::Subscribed(4));
    assert_eq!(wrongs.first(), Some(&Wrong::Withheld { process: 0, seq: 3 }));
}

#[test]
fn a_change_that_a_subscription_gave_twice_is_found() {
    let wrongs = wrongs(0, 44, Event::Given { seq: 1, id: 1 });
    assert_eq!(wrongs, [Wrong::GivenAgain { process: 0, seq: 1 }]);
}

#[test]
fn another_change_than_was_applied_is_found_when_a_subscription_gives_it() {
    let wrongs = wrongs(0, 43, Event::Given { seq: 1, id: 2 });
    assert_eq!(wrongs, [Wrong::GivenAnother { process: 0, seq: 1 }]);
}

#[test]
fn a_journal_that_is_said_to_be_trimmed_and_holds_what_is_next_is_found() {
    let wrongs = wrongs(1, 83, Event::Trimmed { seq: 1, first: 1 });
    assert_eq!(wrongs, [Wrong::TrimmedInVain { process: 1, seq: 1 }]);
}

#[test]
fn a_change_whose_client_left_counts_when_it_was_applied() {
    let wrongs = wrongs_with_applied(&[1, 2, IDS + 2, 5, 5]);
    assert_eq!(wrongs, [Wrong::AppliedTwice { id: 5 }]);
}

#[test]
fn a_replica_that_stopped_and_told_no_end_is_found() {
    let what = "it stopped".to_string();
    let wrongs = wrongs(0, 90, Event::Broken(what.clone()));
    assert_eq!(wrongs, [Wrong::Broken { process: 0, what }]);
    let mut histories = sound();
    histories.iter_mut().for_each(|lines| lines.truncate(lines.len() - 1));
    let wrongs = judge::judged(&histories).expect_err("nothing is known in the end");
    assert!(wrongs.contains(&Wrong::NoFinalState), "{wrongs:?}");
}
