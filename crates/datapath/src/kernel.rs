use crate::error::{Error, Result};
use nix::sys::utsname::uname;

/// The oldest kernel with TCX links. It charges BPF memory to the process's cgroup, so no memlock limit needs to be raised.
const OLDEST: (u32, u32) = (6, 6);

/// Fails with a clear text on a kernel that can't hold the packet path.
pub fn check() -> Result<()> {
    let name = uname().map_err(|error| Error::file("ask for", "the kernel's release")(error.into()))?;
    check_release(&name.release().to_string_lossy())
}

fn check_release(release: &str) -> Result<()> {
    match version(release) {
        Some(version) if version < OLDEST => Err(Error::KernelTooOld { release: release.into() }),
        // A release that can't be read is tried: the kernel has the last word.
        _ => Ok(()),
    }
}

fn version(release: &str) -> Option<(u32, u32)> {
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map(str::parse);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn releases() {
        for new in ["6.6.0", "6.18.44-custom", "7.0-rc1", "10.2", "unreadable", ""] {
            assert!(check_release(new).is_ok(), "{new}");
        }
        for old in ["6.5.13", "5.15.0-91-generic", "6.1.0-18-amd64"] {
            let text = check_release(old).unwrap_err().to_string();
            assert!(text.contains(old) && text.contains("6.6"), "{text}");
        }
    }
}
