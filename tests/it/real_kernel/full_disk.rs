//! Does a disk without room lose anything?

use std::fs;

use ministate_tests::say_loudly;

use super::account::Account;
use super::machine::SmallDisk;
use super::writer::{Event, Work, Writer};

#[test]
fn a_disk_that_fills_up_loses_nothing_and_works_again_once_there_is_room() {
    let Some(disk) = SmallDisk::new(1024) else { return };
    let dir = disk.path().join("lists");
    let ballast = disk.path().join("ballast");
    fs::write(&ballast, vec![0; 256 * 1024]).unwrap();
    let mut account = Account::default();
    let mut writer = Writer::start(&dir, Work::Push { padding: 1000 });
    let said = writer.until(Event::is_failure);
    match said.last() {
        Some(Event::Absent(_, why)) => {
            assert!(why.starts_with("NotWritten") && why.contains("StorageFull"), "{why}");
        }
        other => panic!("{other:?}"),
    }
    account.hear_all(&said).unwrap();
    assert!(account.sure.len() > 300, "the disk was full after {}", account.sure.len());

    // While it is still full, there may be no room to write the last segment again.
    let said = writer.again_until(usize::MAX);
    let why = said.last().and_then(Event::why);
    assert!(why.is_some_and(|why| why.contains("StorageFull")), "{said:?}");
    account.hear_all(&said).unwrap();

    fs::remove_file(ballast).unwrap();
    let said = writer.again_until(50);
    assert!(matches!(said.last(), Some(Event::Acknowledged(_))), "{said:?}");
    account.hear_all(&said).unwrap();
    account.hear_all(&writer.kill()).unwrap();
    disk.resize(4096);
    account.check(&dir, 1).unwrap();
}

#[test]
fn a_disk_can_be_full_at_any_moment_of_a_history() {
    let Some(disk) = SmallDisk::new(4) else { return };
    let (mut kibibytes, mut troubled) = (4, 0);
    loop {
        let dir = disk.path().join(kibibytes.to_string());
        disk.resize(kibibytes);
        let mut writer = Writer::start(&dir, Work::Once { padding: 1500 });
        // A second life while the disk is still full.
        writer.again();
        let said = writer.end();
        let mut account = Account::default();
        account.hear_all(&said).unwrap_or_else(|why| panic!("{kibibytes} KiB: {why}\n{said:#?}"));
        disk.resize(8192);
        account.check(&dir, 0).unwrap_or_else(|why| panic!("{kibibytes} KiB: {why}\n{said:#?}"));
        fs::remove_dir_all(&dir).unwrap();
        if said.iter().all(|event| event.why().is_none()) {
            break;
        }
        troubled += 1;
        kibibytes += 4;
    }
    assert!(troubled > 10, "the disk was full {troubled} times");
    say_loudly(&format!("a history on a full disk, with room for up to {kibibytes} KiB"));
}
