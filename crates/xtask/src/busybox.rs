//! busybox with its DHCPv6 client, which no package of Debian has: built from Debian's source with nothing else in it, beside the
//! build's products. Nothing of it is installed on the machine.

use crate::command::{run, target};
use crate::setup::refresh_package_list;
use anyhow::{Context, Result, bail};
use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

/// What is built; another text has it built anew.
const BUILD: &str = "set -e
apt-get --download-only source busybox
dpkg-source --extract *.dsc source; cd source; make allnoconfig
for option in FEATURE_IPV6 UDHCPC6 FEATURE_UDHCPC6_RFC3646; do
    sed -i \"s/# CONFIG_$option is not set/CONFIG_$option=y/\" .config
done
yes '' | make oldconfig
make -j2 busybox; mv busybox ..; cd ..; rm -rf source busybox_* lists";

/// Makes `tools/udhcpc6/busybox`, unless it is there.
pub fn udhcpc6() -> Result<()> {
    let directory = target().join("tools/udhcpc6");
    let marker = directory.join("built");
    if std::fs::read_to_string(&marker).is_ok_and(|text| text == BUILD) {
        return Ok(());
    }
    println!("building busybox for its DHCPv6 client");
    let _ = std::fs::remove_dir_all(&directory);
    std::fs::create_dir_all(directory.join("lists/partial"))?;
    if sources()?.is_empty() {
        refresh_package_list()?;
    }
    let settings = directory.join("apt.conf");
    std::fs::write(directory.join("sources.list"), sources()?)?;
    std::fs::write(&settings, apt_settings(&directory))?;
    run(Command::new("apt-get").arg("update").env("APT_CONFIG", &settings))?;
    let log = std::fs::File::create(directory.join("log"))?;
    let build = Command::new("sh")
        .args(["-c", BUILD])
        .current_dir(&directory)
        .env("APT_CONFIG", &settings)
        .stdout(log.try_clone()?)
        .stderr(log)
        .status()?;
    if !build.success() {
        bail!("busybox does not build: {}", directory.join("log").display());
    }
    std::fs::write(marker, BUILD)?;
    Ok(())
}

/// Where Debian's sources are: where this machine has its packages from.
fn sources() -> Result<String> {
    let format = "$(ORIGIN) $(REPO_URI) $(RELEASE) $(COMPONENT)";
    let mut list = Command::new("apt-get");
    let output = list.args(["indextargets", "--format", format, "Created-By: Packages"]).output();
    let output = String::from_utf8(output.context("cannot start apt-get")?.stdout)?;
    let debian: BTreeSet<&str> = output.lines().filter_map(|line| line.strip_prefix("Debian ")).collect();
    let keys = Some("/usr/share/keyrings/debian-archive-keyring.gpg").filter(|path| Path::new(path).exists());
    let signed = keys.map_or_else(String::new, |path| format!("[signed-by={path}] "));
    Ok(debian.into_iter().map(|place| format!("deb-src {signed}{place}\n")).collect())
}

/// apt looks there alone, and keeps what it finds apart from what the machine knows.
fn apt_settings(directory: &Path) -> String {
    let directory = directory.display();
    format!(
        "quiet \"2\";
Dir::Etc::sourcelist \"{directory}/sources.list\";
Dir::Etc::sourceparts \"/dev/null\";
Dir::State::lists \"{directory}/lists\";
APT::Sandbox::User \"root\";
Debug::NoLocking \"1\";
"
    )
}
