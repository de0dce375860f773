//! Is what was acknowledged before a power cut there after it?

use std::time::Duration;

use ministate_tests::{Chance, say_loudly};

use super::account::Account;
use super::machine::{FileSystem, Volume, strace_works};
use super::rounds;
use super::writer::{Event, Work, Writer};

const WORK: Work = Work::Ever { padding: 0 };

/// How many power cuts one journal lives through.
const LIVES: u64 = 4;

/// A volume whose power can be cut. Its disk is memory, and never full.
fn volume(kind: FileSystem) -> Option<Volume> {
    let mut volume = Volume::new(kind, 320 * 1024)?;
    volume.power_can_be_cut().then_some(volume)
}

/// Lets the writer write, cuts the power under it, starts again, and compares.
///
/// What is acknowledged while the power is being cut does not count: the kernel lets a sync that is
/// under way return as if it had reached the disk.
fn cut(
    volume: &mut Volume,
    writer: Writer,
    account: &mut Account,
    dir: &str,
) -> Result<u64, String> {
    let said = writer.said();
    account.hear_all(&said)?;
    let acknowledged = said.iter().filter(|event| matches!(event, Event::Acknowledged(_))).count();
    volume.cut_power().unwrap();
    writer.end();
    volume.shut_down();
    volume.start();
    account.check(&volume.path().join(dir), u64::MAX)?;
    Ok(acknowledged as u64)
}

fn survive(kind: FileSystem) {
    let Some(mut volume) = volume(kind) else { return };
    let mut chance = Chance(11);
    let mut account = Account::default();
    let (rounds, mut acknowledged) = (rounds(8), 0);
    for round in 0..rounds {
        if round % LIVES == 0 {
            account = Account::default();
        }
        let dir = (round / LIVES).to_string();
        let writer = Writer::start(&volume.path().join(&dir), WORK);
        std::thread::sleep(Duration::from_micros(chance.below(60_000)));
        acknowledged += cut(&mut volume, writer, &mut account, &dir)
            .unwrap_or_else(|why| panic!("{kind:?}, round {round}: {why}"));
    }
    assert!(acknowledged > rounds, "only {acknowledged} were acknowledged");
    say_loudly(&format!("{kind:?}: {acknowledged} acknowledged, {rounds} power cuts, none lost"));
}

#[test]
fn acknowledged_mutations_survive_a_power_cut_of_ext4() {
    survive(FileSystem::Ext4);
}

#[test]
fn acknowledged_mutations_survive_a_power_cut_of_xfs() {
    survive(FileSystem::Xfs);
}

/// The control: these tests see it when acknowledged mutations are not on the disk.
#[test]
fn a_writer_that_does_not_sync_is_caught() {
    for kind in [FileSystem::Ext4, FileSystem::Xfs] {
        let Some(mut volume) = volume(kind) else { return };
        if !strace_works() {
            return;
        }
        let no_sync = ["-o", "/dev/null", "-e", "inject=fdatasync,fsync:retval=0"];
        let writer = Writer::traced(no_sync, &volume.path().join("0"), WORK);
        let mut account = Account::default();
        let said = writer.until(|event| matches!(event, Event::Acknowledged(40)));
        account.hear_all(&said).unwrap();
        let why = cut(&mut volume, writer, &mut account, "0").expect_err("nothing was synced");
        say_loudly(&format!("{kind:?}: a writer that does not sync was caught: {why}"));
    }
}
