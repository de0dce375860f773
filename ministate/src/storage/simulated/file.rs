//! An open file of the disk in memory.

use std::io;
use std::path::PathBuf;

use super::world::FileId;
use super::{Fault, Kind, Simulated};
use crate::storage::{Access, StorageFile};

#[derive(Debug)]
pub(super) struct SimulatedFile {
    pub(super) disk: Simulated,
    pub(super) file: FileId,
    pub(super) path: PathBuf,
    pub(super) access: Access,
}

impl SimulatedFile {
    fn refuse_reader(&self) -> io::Result<()> {
        match self.access {
            Access::Write => Ok(()),
            Access::Read => Err(io::ErrorKind::PermissionDenied.into()),
        }
    }
}

impl StorageFile for SimulatedFile {
    fn len(&self) -> io::Result<u64> {
        Ok(self.disk.whole_call(Kind::Read)?.world.bytes(self.file).len() as u64)
    }

    fn read_at(&self, buffer: &mut [u8], position: u64) -> io::Result<usize> {
        let machine = self.disk.whole_call(Kind::Read)?;
        let content = machine.world.bytes(self.file);
        let rest = content.get(to_usize(position)..).unwrap_or_default();
        let read = rest.len().min(buffer.len());
        buffer[..read].copy_from_slice(&rest[..read]);
        Ok(read)
    }

    fn write_at(&self, bytes: &[u8], position: u64) -> io::Result<()> {
        self.refuse_reader()?;
        let (mut machine, fault) = self.disk.call(Kind::Write)?;
        let written = match fault {
            None => bytes,
            Some(Fault::Fails) => return Err(Fault::Fails.error()),
            Some(Fault::Breaks | Fault::Full) => &bytes[..bytes.len() / 2],
        };
        machine.world.write(self.file, written, to_usize(position));
        let path = self.path.display();
        machine.remember(|| format!("write {} bytes at {position} of {path}", written.len()));
        fault.map_or(Ok(()), |fault| Err(fault.error()))
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        self.refuse_reader()?;
        let mut machine = self.disk.whole_call(Kind::SetLen)?;
        machine.world.set_len(self.file, to_usize(length));
        machine.remember(|| format!("set the length {length} of {}", self.path.display()));
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        let (mut machine, fault) = self.disk.call(Kind::Sync)?;
        match fault {
            None => machine.world.sync(self.file),
            Some(_) => machine.world.drop_unsynced(self.file),
        }
        let failed = fault.map_or("", |_| "fail to ");
        machine.remember(|| format!("{failed}sync {}", self.path.display()));
        fault.map_or(Ok(()), |fault| Err(fault.error()))
    }
}

fn to_usize(bytes: u64) -> usize {
    usize::try_from(bytes).expect("simulated files fit into memory")
}
