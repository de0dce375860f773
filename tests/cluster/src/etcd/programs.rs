//! Where is etcd installed?

use std::env;
use std::io::{self, Write};
use std::path::PathBuf;

/// The programs of etcd.
#[derive(Debug, Clone)]
pub struct Programs {
    pub(super) etcd: PathBuf,
    pub(super) etcdctl: PathBuf,
}

impl Programs {
    /// Those on the `PATH`, or that `MINISTATE_ETCD` is the path of. `None`, having said so, where there
    /// are none.
    ///
    /// # Panics
    ///
    /// Where there are none, and `MINISTATE_ETCD` is `require` or a path.
    pub fn found() -> Option<Programs> {
        let told = env::var("MINISTATE_ETCD").unwrap_or_default();
        let is_path = told.contains('/');
        let etcd = if is_path { Some(PathBuf::from(&told)) } else { on_path("etcd") };
        let beside = etcd.as_ref().map(|etcd| etcd.with_file_name("etcdctl"));
        let etcdctl = beside.filter(|beside| beside.is_file()).or_else(|| on_path("etcdctl"));
        match (etcd.filter(|etcd| etcd.is_file()), etcdctl) {
            (Some(etcd), Some(etcdctl)) => Some(Programs { etcd, etcdctl }),
            _ if is_path || told == "require" => {
                panic!("etcd and etcdctl are not there, and MINISTATE_ETCD is {told:?}")
            }
            _ => {
                // Not `eprintln`, which is not shown for tests that pass.
                let skipped = "SKIPPED: NOTHING WAS TESTED, SINCE ETCD IS NOT INSTALLED\n";
                let _ = io::stderr().write_all(skipped.as_bytes());
                None
            }
        }
    }
}

fn on_path(program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path).map(|folder| folder.join(program)).find(|file| file.is_file())
}
