//! Does the promise hold where the kernel itself fails to write what a file holds?

use ministate_tests::say_loudly;

use super::account::Account;
use super::machine::{FileSystem, Volume, strace_works};
use super::writer::{Event, Work, Writer};

/// Large, so that it is they that fill the disk, and not what the file system keeps.
const WORK: Work = Work::Push { padding: 32 * 1024 };

/// A volume on whose disk there is too little room, so that it takes every write and fails a sync.
fn deceived(kind: FileSystem) -> Option<Volume> {
    Volume::new(kind, 12 * 1024)
}

/// Room for everything.
const ENOUGH: u64 = 64 * 1024;

/// Writes until a sync fails.
fn fill_up(kind: FileSystem, volume: &Volume, account: &mut Account) -> Writer {
    let writer = Writer::start(&volume.path(), WORK);
    let said = writer.until(Event::is_failure);
    let failure = said.last().cloned();
    assert!(matches!(failure, Some(Event::Unknown(..))), "{kind:?}: {failure:?}");
    account.hear_all(&said).unwrap();
    let acknowledged = account.sure.len();
    assert!(acknowledged > 20, "{kind:?} failed after {acknowledged}");
    say_loudly(&format!("{kind:?}: {acknowledged} acknowledged, then {failure:?}"));
    writer
}

fn restart_after_a_failed_sync(kind: FileSystem) {
    let Some(mut volume) = deceived(kind) else { return };
    let mut account = Account::default();
    let writer = fill_up(kind, &volume, &mut account);
    account.hear_all(&writer.end()).unwrap();
    volume.shut_down();
    volume.disk.resize(ENOUGH);
    volume.start();
    account.check(&volume.path(), 0).unwrap_or_else(|why| panic!("{kind:?}: {why}"));
}

#[test]
fn what_ext4_synced_before_a_sync_failed_is_there_after_a_restart() {
    restart_after_a_failed_sync(FileSystem::Ext4);
}

#[test]
fn what_xfs_synced_before_a_sync_failed_is_there_after_a_restart() {
    restart_after_a_failed_sync(FileSystem::Xfs);
}

/// Opens the journal again over pages that may be only in memory, while the disk is full and once
/// it has room; then the machine starts again.
fn go_on_after_a_failed_sync(kind: FileSystem) {
    let Some(mut volume) = deceived(kind) else { return };
    let mut account = Account::default();
    let mut writer = fill_up(kind, &volume, &mut account);
    account.hear_all(&writer.again_until(usize::MAX)).unwrap();
    volume.disk.resize(ENOUGH);
    let said = writer.again_until(20);
    assert!(matches!(said.last(), Some(Event::Acknowledged(_))), "{kind:?}: {said:?}");
    account.hear_all(&said).unwrap();
    account.hear_all(&writer.kill()).unwrap();
    volume.shut_down();
    volume.start();
    account.check(&volume.path(), 1).unwrap_or_else(|why| panic!("{kind:?}: {why}"));
}

#[test]
fn a_journal_on_ext4_goes_on_after_a_failed_sync() {
    go_on_after_a_failed_sync(FileSystem::Ext4);
}

#[test]
fn a_journal_on_xfs_goes_on_after_a_failed_sync() {
    go_on_after_a_failed_sync(FileSystem::Xfs);
}

/// The control: a writer to whom no sync ever fails goes on over the hole, and is caught.
#[test]
fn a_writer_that_is_deaf_to_failing_syncs_is_caught() {
    let Some(mut volume) = deceived(FileSystem::Ext4) else { return };
    if !strace_works() {
        return;
    }
    let quiet = ["-o", "/dev/null", "-e", "inject=fdatasync,fsync:retval=0"];
    let writer = Writer::traced(quiet, &volume.path(), WORK);
    let mut account = Account::default();
    let said = writer.until(|event| matches!(event, Event::Acknowledged(799)));
    account.hear_all(&said).unwrap();
    let unheard = writer.kill().len() as u64 + 1;
    volume.shut_down();
    volume.disk.resize(ENOUGH);
    volume.start();
    account.check(&volume.path(), unheard).expect_err("12 MiB held 25");
}
