//! Who cleans up when this process can't.

use crate::error::Attempt;
use crate::{Result, marks};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// Waits for the end of its input, which comes with the end of the lab's process, however that ends.
const SCRIPT: &str = r#"
trap '' HUP INT TERM
read -r _
[ -d "$2" ] || exit 0
for pid in $(grep -lzx "HADRON_LAB=$1" /proc/[0-9]*/environ 2>/dev/null | cut -d/ -f3); do
    kill -KILL "$pid" 2>/dev/null
done
rm -rf "$2"
"#;

/// A shell that removes what a lab leaves behind.
#[derive(Debug)]
pub(crate) struct Warden(Child);

impl Warden {
    pub(crate) fn post(lab: &str, dir: &Path) -> Result<Self> {
        let mut command = Command::new("/bin/sh");
        command
            .args(["-c", SCRIPT, "hadron-lab-warden", lab])
            .arg(dir)
            .env_remove(marks::LAB)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0);
        command.spawn().attempt("start a shell").map(Self)
    }

    /// Ends it without its doing anything.
    pub(crate) fn dismiss(mut self) {
        let _ = self.0.kill();
    }
}

impl Drop for Warden {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}
