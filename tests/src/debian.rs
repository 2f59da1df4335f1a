//! Debian's own programs in an instance: a root directory of packages, with the instance's changes laid over it.

use anyhow::{Context, Result};
use hadron_lab::{Command, Namespace};
use std::ffi::OsStr;
use std::path::PathBuf;
use std::time::Duration;

const SOON: Duration = Duration::from_secs(30);

/// Lays what is written here over the packages, with devices, and with the namespace's own view of `/proc` and `/sys`.
const MOUNTS: &str = "set -e; cd \"$1\"; [ ! -d root/usr ] || exit 0; mkdir -p over work root
mount -t overlay overlay -o lowerdir=\"$2\",upperdir=over,workdir=work root
mount -t proc proc root/proc
mount -t sysfs -o ro sysfs root/sys
mount -t tmpfs tmpfs root/run
mount --bind /dev root/dev
: >root/etc/resolv.conf; : >root/etc/fstab
echo \"127.0.0.1 localhost\" >root/etc/hosts; echo 'hosts: files dns' >root/etc/nsswitch.conf; mkdir -p root/run/lock";

/// The root directory of packages that `cargo xtask setup` has made.
pub fn packages() -> Result<PathBuf> {
    tool("debian/root")
}

/// Something else of `tools`, beside the build's products, that it has made.
pub fn tool(name: &str) -> Result<PathBuf> {
    let program = std::env::current_exe()?;
    let found =
        program.ancestors().map(|directory| directory.join("tools").join(name)).find(|path| path.exists());
    found.with_context(|| {
        format!("no tools/{name} beside the build's products; run `cargo xtask setup` as root")
    })
}

/// A root directory in a namespace, which goes with it.
pub struct Debian<'a> {
    namespace: &'a Namespace,
    root: PathBuf,
}

impl<'a> Debian<'a> {
    /// Makes it, unless it is there.
    pub fn of(namespace: &'a Namespace) -> Result<Self> {
        let place = namespace.dir().join("debian");
        std::fs::create_dir_all(&place)?;
        namespace.command("sh").args(["-c", MOUNTS, "sh"]).arg(&place).arg(packages()?).succeed(SOON)?;
        Ok(Self { namespace, root: place.join("root") })
    }

    /// A program of it.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command<'a> {
        let path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
        self.namespace.command("chroot").env("PATH", path).env("HOME", "/root").arg(&self.root).arg(program)
    }

    /// The same with process numbers of its own, and what `variables` say in the environment of its first process.
    pub fn container(&self, script: &str, variables: &[(&str, &str)]) -> Command<'a> {
        let mut command = self.namespace.command("unshare");
        for (name, value) in variables {
            command = command.env(name, value);
        }
        let path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
        let command = command.env("PATH", path).args(["--pid", "--fork", "--kill-child", "chroot"]);
        command.arg(&self.root).args(["sh", "-c"]).arg(format!("mount -t proc proc /proc; {script}"))
    }

    /// Writes a file of it; its directory is made.
    pub fn write(&self, path: &str, content: &str) -> Result<()> {
        let script = "mkdir -p \"$(dirname \"$1\")\" && printf %s \"$2\" >\"$1\" && chmod \"$3\" \"$1\"";
        let mode = if content.starts_with("#!") { "755" } else { "600" };
        self.command("sh").args(["-c", script, "sh", path, content, mode]).succeed(SOON)?;
        Ok(())
    }

    /// Reads a file of it.
    pub fn read(&self, path: &str) -> Result<String> {
        Ok(self.command("cat").arg(path).succeed(SOON)?)
    }
}
