//! Short grace periods while a program is attached or detached.
//!
//! Attaching to TCX waits for an RCU grace period with the RTNL lock held (`tcx_entry_sync` in the kernel's `net/tcx.h`). A
//! normal one takes 5 to 20 ms, during which no interface of the host can be changed; an expedited one takes a tenth of a
//! millisecond. The kernel has one switch for it, `/sys/kernel/rcu_expedited`, for the whole machine, so it is on only for the
//! time of the one call. Nodes on one machine take turns by a lock on the file, so that each puts back what was there before.

use nix::fcntl::{Flock, FlockArg};
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, Write};

const SWITCH: &str = "/sys/kernel/rcu_expedited";

/// Grace periods are expedited until this is dropped.
pub(super) struct Expedited {
    file: Flock<File>,
}

impl Expedited {
    /// Turns the switch on; `None` if it is on already, can't be reached or, as in some containers, can't be written: then
    /// things merely take longer.
    pub(super) fn begin() -> Option<Self> {
        match Self::turn_on() {
            Ok(expedited) => expedited,
            Err(error) => {
                tracing::debug!(%error, "grace periods stay normal; attaching takes some milliseconds longer");
                None
            }
        }
    }

    fn turn_on() -> io::Result<Option<Self>> {
        let file = OpenOptions::new().read(true).write(true).open(SWITCH)?;
        let mut file = Flock::lock(file, FlockArg::LockExclusive).map_err(|(_, error)| error)?;
        let mut value = String::new();
        file.read_to_string(&mut value)?;
        if value.trim() != "0" {
            return Ok(None);
        }
        set(&mut file, "1")?;
        Ok(Some(Self { file }))
    }
}

impl Drop for Expedited {
    fn drop(&mut self) {
        if let Err(error) = set(&mut self.file, "0") {
            tracing::warn!(%error, "{SWITCH} stays on; write 0 to it");
        }
    }
}

fn set(file: &mut File, value: &str) -> io::Result<()> {
    file.rewind()?;
    file.write_all(value.as_bytes())
}
