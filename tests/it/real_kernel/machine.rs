//! What does this machine let a test do: mount, fill up, pull the plug, trace?

use std::ffi::OsStr;
use std::fs;
use std::mem;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use ministate_tests::say_loudly;
use tempfile::TempDir;

/// Says that a test cannot run here; where `MINISTATE_KERNEL` is `require`, that is a failure.
pub(super) fn skip(why: &str) {
    let required = std::env::var("MINISTATE_KERNEL").is_ok_and(|value| value == "require");
    assert!(!required, "MINISTATE_KERNEL=require, but {why}");
    let test = thread::current().name().unwrap_or("a test").to_string();
    say_loudly(&format!("SKIPPED: {test}, because {why}"));
}

/// Runs a program to its end.
fn run<A: AsRef<OsStr>>(
    program: &str,
    arguments: impl IntoIterator<Item = A>,
) -> Result<(), String> {
    let output = Command::new(program)
        .args(arguments)
        .output()
        .map_err(|error| format!("`{program}` cannot be started: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(format!("`{program}` failed ({}): {}", output.status, said.trim()))
}

/// Whether strace can trace here; says so where it cannot.
pub(super) fn strace_works() -> bool {
    match run("strace", ["-f", "-qq", "-o", "/dev/null", "-e", "trace=fsync", "true"]) {
        Ok(()) => true,
        Err(why) => {
            skip(&why);
            false
        }
    }
}

/// Something that is mounted, for as long as this lives.
#[derive(Debug)]
struct Mount {
    point: PathBuf,
}

impl Mount {
    fn new<A: AsRef<OsStr>>(
        arguments: impl IntoIterator<Item = A>,
        point: &Path,
    ) -> Result<Mount, String> {
        // Two that look for a free loop device at once can find the same.
        static ONE_BY_ONE: Mutex<()> = Mutex::new(());
        let _turn = ONE_BY_ONE.lock().unwrap_or_else(PoisonError::into_inner);
        fs::create_dir_all(point).unwrap();
        let arguments = arguments.into_iter().map(|argument| argument.as_ref().to_owned());
        run("mount", arguments.chain([point.into()]))?;
        Ok(Mount { point: point.to_path_buf() })
    }
}

impl Mount {
    fn end(mut self) {
        unmount(&mem::take(&mut self.point)).unwrap();
    }
}

fn unmount(point: &Path) -> Result<(), String> {
    let mut unmounted = run("umount", [point]);
    for _ in 0..200 {
        if unmounted.is_ok() {
            break;
        }
        // A process that was killed may not have closed all of its files yet.
        thread::sleep(Duration::from_millis(20));
        unmounted = run("umount", [point]);
    }
    unmounted
}

impl Drop for Mount {
    fn drop(&mut self) {
        if self.point.as_os_str().is_empty() || unmount(&self.point).is_ok() {
            return;
        }
        // Whoever still uses it, say a process of a test that panicked, ends some day.
        if let Err(why) = run("umount", [OsStr::new("-l"), self.point.as_os_str()]) {
            say_loudly(&format!("{} stays mounted: {why}", self.point.display()));
        }
    }
}

/// A disk with little room: a tmpfs.
#[derive(Debug)]
pub(super) struct SmallDisk {
    mount: Mount,
    _dir: TempDir,
}

impl SmallDisk {
    /// `None`, loudly, where this machine does not let us.
    pub(super) fn new(kibibytes: u64) -> Option<SmallDisk> {
        let dir = tempfile::tempdir().unwrap();
        let size = format!("size={kibibytes}k");
        match Mount::new(["-t", "tmpfs", "-o", &size, "tmpfs"], &dir.path().join("small")) {
            Ok(mount) => Some(SmallDisk { mount, _dir: dir }),
            Err(why) => {
                skip(&why);
                None
            }
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.mount.point
    }

    fn image(&self) -> PathBuf {
        self.path().join("image")
    }

    pub(super) fn resize(&self, kibibytes: u64) {
        let size = format!("remount,size={kibibytes}k");
        run("mount", [OsStr::new("-o"), size.as_ref(), self.path().as_os_str()]).unwrap();
    }
}

/// A file system that keeps its bytes on a disk, and so can lose them.
#[derive(Debug, Clone, Copy)]
pub(super) enum FileSystem {
    Ext4,
    Xfs,
}

/// One of those, in a file on a small disk. It believes in more room than that has.
#[derive(Debug)]
pub(super) struct Volume {
    // What stands on something else goes away before it.
    mount: Option<Mount>,
    dir: TempDir,
    /// Where its bytes take room as they are written.
    pub(super) disk: SmallDisk,
}

impl Volume {
    /// Makes one on a disk of that size. `None`, loudly, where this machine does not let us.
    pub(super) fn new(kind: FileSystem, kibibytes: u64) -> Option<Volume> {
        match Volume::make(kind, SmallDisk::new(kibibytes)?) {
            Ok(volume) => Some(volume),
            Err(why) => {
                skip(&why);
                None
            }
        }
    }

    fn make(kind: FileSystem, disk: SmallDisk) -> Result<Volume, String> {
        let dir = tempfile::tempdir().unwrap();
        let (whole, image) = (dir.path().join("image"), disk.image());
        // The least that mkfs.xfs still takes.
        fs::File::create(&whole).unwrap().set_len(320 << 20).unwrap();
        let (mkfs, options): (&str, &[&str]) = match kind {
            FileSystem::Ext4 => (
                "mkfs.ext4",
                &["-b", "4096", "-N", "1024", "-J", "size=4", "-E", "packed_meta_blocks=1"],
            ),
            FileSystem::Xfs => ("mkfs.xfs", &[]),
        };
        let options = options.iter().map(OsStr::new);
        run(mkfs, options.chain([OsStr::new("-q"), whole.as_os_str()]))?;
        // What mkfs zeroed takes no room in the copy.
        run("cp", [OsStr::new("--sparse=always"), whole.as_os_str(), image.as_os_str()])?;
        fs::remove_file(&whole).unwrap();
        match kind {
            // The journal has its room, or a full disk would stop it before any file.
            FileSystem::Ext4 => {
                run("fallocate", [OsStr::new("-l"), OsStr::new("6MiB"), image.as_os_str()])?;
            }
            FileSystem::Xfs => {}
        }
        let mut volume = Volume { mount: None, dir, disk };
        volume.try_mount()?;
        Ok(volume)
    }

    fn point(&self) -> PathBuf {
        self.dir.path().join("volume")
    }

    /// A directory in it.
    pub(super) fn path(&self) -> PathBuf {
        self.point().join("lists")
    }

    fn try_mount(&mut self) -> Result<(), String> {
        let image = self.disk.image();
        let arguments = [OsStr::new("-o"), OsStr::new("loop"), image.as_os_str()];
        self.mount = Some(Mount::new(arguments, &self.point())?);
        let point = format!(" {} ", self.point().display());
        let mounts = fs::read_to_string("/proc/self/mounts").unwrap();
        let device = mounts
            .lines()
            .find(|line| line.contains(&point))
            .and_then(|line| line.strip_prefix("/dev/")?.split(' ').next())
            .ok_or_else(|| format!("no device is mounted at {point}"))?;
        // Of a write that it can do only in part, a loop device says that it is done. One page is
        // all or nothing.
        let setting = format!("/sys/block/{device}/queue/max_sectors_kb");
        fs::write(&setting, "4").map_err(|error| format!("{setting} cannot be set: {error}"))
    }

    /// Ends as when a machine is shut down.
    pub(super) fn shut_down(&mut self) {
        self.mount.take().unwrap().end();
    }

    /// Knows only what is on the disk.
    pub(super) fn start(&mut self) {
        self.try_mount().unwrap();
    }

    /// Nothing reaches the disk any more, not even what the file system has in its log.
    pub(super) fn cut_power(&self) -> Result<(), String> {
        run("xfs_io", [OsStr::new("-x"), "-c".as_ref(), "shutdown".as_ref(), self.point().as_ref()])
    }

    /// Whether [`cut_power`](Self::cut_power) works; says so where it does not.
    pub(super) fn power_can_be_cut(&mut self) -> bool {
        match self.cut_power() {
            Ok(()) => {
                self.shut_down();
                self.start();
                true
            }
            Err(why) => {
                skip(&why);
                false
            }
        }
    }
}
