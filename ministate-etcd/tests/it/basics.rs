//! Entries are appended, read, counted and trimmed.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use ministate::shared::{AppendError, Journal, JournalError, Place, TailError};

use crate::{all_to, append_all, appended, entry, in_time, next_of, one_node, options, own_prefix};

#[tokio::test]
async fn an_entry_is_appended_where_the_journal_ends_and_nowhere_else() {
    let Some(node) = one_node() else { return };
    let journal = options(&node, &own_prefix()).open().await.unwrap();
    append_all(&journal, 2).await;
    for other in [0, 1, 3] {
        let refused = journal.append(Place::new(other), entry("late")).await;
        assert!(matches!(refused, Err(AppendError::Conflict)), "{refused:?}");
    }
    assert_eq!(journal.barrier().await.unwrap(), Place::new(2));
    let entries = all_to(&journal, Place::new(2)).await;
    assert_eq!(entries[0].bytes, entry("entry 1"));
    assert_eq!(entries[1].bytes, entry("entry 2"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_who_race_for_each_place_one_gets_it() {
    const EACH: u64 = 200;
    let Some(node) = one_node() else { return };
    let prefix = own_prefix();
    let mut racers = Vec::new();
    for racer in ["a", "b"] {
        let journal = options(&node, &prefix).open().await.unwrap();
        racers.push(tokio::spawn(async move {
            let mut acknowledged = Vec::new();
            let mut end = Place::START;
            for number in 0..EACH {
                let bytes = entry(&format!("{racer} {number}"));
                end = appended(&journal, end, &bytes).await;
                acknowledged.push((end, bytes));
            }
            acknowledged
        }));
    }
    let mut acknowledged = Vec::new();
    for racer in racers {
        acknowledged.extend(in_time(racer).await.unwrap());
    }
    let journal = options(&node, &prefix).open().await.unwrap();
    assert_eq!(journal.barrier().await.unwrap(), Place::new(2 * EACH));
    acknowledged.sort();
    let entries = all_to(&journal, Place::new(2 * EACH)).await;
    let entries: Vec<_> = entries.into_iter().map(|entry| (entry.place, entry.bytes)).collect();
    assert_eq!(acknowledged, entries);
}

#[tokio::test]
async fn the_end_is_known_to_others_as_soon_as_an_append_is_answered() {
    let Some(node) = one_node() else { return };
    let prefix = own_prefix();
    let writer = options(&node, &prefix).open().await.unwrap();
    let reader = options(&node, &prefix).open().await.unwrap();
    for number in 0..20 {
        let place = writer.append(Place::new(number), entry("x")).await.unwrap();
        assert_eq!(reader.barrier().await.unwrap(), place);
    }
}

#[tokio::test]
async fn the_end_is_told_as_it_is_while_entries_are_appended() {
    let Some(node) = one_node() else { return };
    let prefix = own_prefix();
    let writer = options(&node, &prefix).open().await.unwrap();
    let reader = options(&node, &prefix).open().await.unwrap();
    let (asked, answered) = (AtomicU64::new(0), AtomicU64::new(0));
    let appending = async {
        for number in 0..100 {
            asked.store(number + 1, Ordering::SeqCst);
            writer.append(Place::new(number), entry("x")).await.unwrap();
            answered.store(number + 1, Ordering::SeqCst);
        }
    };
    let looking = async {
        while answered.load(Ordering::SeqCst) < 100 {
            let before = answered.load(Ordering::SeqCst);
            let end = reader.barrier().await.unwrap().number();
            let after = asked.load(Ordering::SeqCst);
            assert!((before..=after).contains(&end), "{before} <= {end} <= {after}");
        }
    };
    in_time(async { tokio::join!(appending, looking) }).await;
}

#[tokio::test]
async fn trimmed_entries_are_gone_and_the_others_are_not() {
    let Some(node) = one_node() else { return };
    let prefix = own_prefix();
    let journal = options(&node, &prefix).open().await.unwrap();
    append_all(&journal, 10).await;
    journal.trim(Place::new(4)).await.unwrap();
    journal.trim(Place::new(2)).await.unwrap();
    let trimmed = journal.tail(Place::new(2)).next().await;
    assert!(
        matches!(trimmed, Err(TailError::Trimmed { first }) if first == Place::new(4)),
        "{trimmed:?}"
    );
    let mut tail = journal.tail(Place::new(3));
    for place in 4..=10 {
        assert_eq!(next_of(&mut tail).await.bytes, entry(&format!("entry {place}")));
    }
    let keys = node.etcdctl(&["get", "--prefix", "--keys-only", &format!("{prefix}/log/")]);
    assert_eq!(keys.split_whitespace().count(), 7, "{keys}");
}

#[tokio::test]
async fn a_journal_that_is_trimmed_to_its_end_goes_on_there() {
    let Some(node) = one_node() else { return };
    let journal = options(&node, &own_prefix()).open().await.unwrap();
    append_all(&journal, 3).await;
    journal.trim(Place::new(4)).await.unwrap();
    assert_eq!(journal.barrier().await.unwrap(), Place::new(3));
    let trimmed = journal.tail(Place::START).next().await;
    assert!(
        matches!(trimmed, Err(TailError::Trimmed { first }) if first == Place::new(3)),
        "{trimmed:?}"
    );
    let mut tail = journal.tail(Place::new(3));
    journal.append(Place::new(3), entry("goes on")).await.unwrap();
    assert_eq!(next_of(&mut tail).await.bytes, entry("goes on"));
}

#[tokio::test]
async fn several_who_trim_at_once_leave_what_the_furthest_leaves() {
    let Some(node) = one_node() else { return };
    let journal = Arc::new(options(&node, &own_prefix()).open().await.unwrap());
    append_all(&journal, 12).await;
    let trims = [3, 9, 5, 11, 7].map(|before| {
        let journal = Arc::clone(&journal);
        tokio::spawn(async move { journal.trim(Place::new(before)).await })
    });
    for trim in trims {
        in_time(trim).await.unwrap().unwrap();
    }
    let mut tail = journal.tail(Place::new(10));
    assert_eq!(next_of(&mut tail).await.bytes, entry("entry 11"));
    assert!(journal.tail(Place::new(9)).next().await.is_err());
}

#[tokio::test]
async fn a_large_entry_comes_back_whole_and_a_larger_one_is_refused() {
    let Some(node) = one_node() else { return };
    let journal = options(&node, &own_prefix()).open().await.unwrap();
    let most = journal.entry_bytes_max();
    let large: Arc<[u8]> = vec![b'x'; most].into();
    for number in 0..8 {
        journal.append(Place::new(number), Arc::clone(&large)).await.unwrap();
    }
    let larger = journal.append(Place::new(8), vec![b'x'; most + 1].into()).await;
    assert!(matches!(larger, Err(AppendError::TooLarge { limit }) if limit == most), "{larger:?}");
    let entries = all_to(&journal, Place::new(8)).await;
    assert!(entries.iter().all(|entry| entry.bytes == large));
}

#[tokio::test]
async fn an_entry_that_etcd_finds_too_large_is_too_large() {
    let Some(node) = one_node() else { return };
    let journal = options(&node, &own_prefix()).entry_bytes_max(8 << 20).open().await.unwrap();
    for bytes in [1_600_000, 4_000_000] {
        let refused = journal.append(Place::START, vec![b'x'; bytes].into()).await;
        assert!(matches!(refused, Err(AppendError::TooLarge { .. })), "{refused:?}");
    }
    assert_eq!(journal.barrier().await.unwrap(), Place::START);
}

#[tokio::test]
async fn etcdctl_shows_an_entry_as_the_text_that_it_is() {
    let Some(node) = one_node() else { return };
    let prefix = own_prefix();
    let journal = options(&node, &prefix).open().await.unwrap();
    let text = "{\"ministate\":1}\n{\"seq\":8,\"op\":\"deposit\"}\n";
    journal.append(Place::START, Arc::from(text.as_bytes())).await.unwrap();
    let key = format!("{prefix}/log/00000000000000000001");
    let shown = node.etcdctl(&["get", "--print-value-only", &key]);
    assert_eq!(shown, format!("{text}\n"));
    let head = node.etcdctl(&["get", "--print-value-only", &format!("{prefix}/head")]);
    assert_eq!(head, "1\n");
}

/// Where somebody had set the end back by hand, the next entry replaced one that was acknowledged.
#[tokio::test]
async fn an_entry_that_stands_behind_the_end_is_not_written_over() {
    let Some(node) = one_node() else { return };
    let prefix = own_prefix();
    let journal = options(&node, &prefix).open().await.unwrap();
    append_all(&journal, 3).await;
    node.etcdctl(&["put", &format!("{prefix}/head"), "2"]);
    let refused = journal.append(Place::new(2), entry("another")).await;
    assert!(matches!(refused, Err(AppendError::NotWritten { .. })), "{refused:?}");
    node.etcdctl(&["put", &format!("{prefix}/head"), "3"]);
    assert_eq!(all_to(&journal, Place::new(3)).await[2].bytes, entry("entry 3"));
}

/// The place behind the last number that there is was that number again.
#[tokio::test]
async fn behind_the_last_place_that_there_can_be_nothing_is_appended() {
    let Some(node) = one_node() else { return };
    let prefix = own_prefix();
    let journal = options(&node, &prefix).open().await.unwrap();
    node.etcdctl(&["put", &format!("{prefix}/head"), &u64::MAX.to_string()]);
    let refused = journal.append(Place::new(u64::MAX), entry("one too many")).await;
    assert!(matches!(refused, Err(AppendError::NotWritten { .. })), "{refused:?}");
    journal.trim(Place::new(u64::MAX)).await.unwrap();
}

#[tokio::test]
async fn an_end_that_is_no_number_as_the_journal_writes_it_is_named() {
    let Some(node) = one_node() else { return };
    let prefix = own_prefix();
    let journal = options(&node, &prefix).open().await.unwrap();
    append_all(&journal, 1).await;
    for end in ["01", "+1", "one", ""] {
        node.etcdctl(&["put", &format!("{prefix}/head"), "--", end]);
        let refused = journal.barrier().await;
        assert!(matches!(refused, Err(JournalError::Unreachable { .. })), "{end}: {refused:?}");
    }
}
