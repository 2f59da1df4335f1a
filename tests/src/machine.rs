//! A guest with a kernel of its own: Debian's cloud kernel in QEMU, with a user land that is made here of Debian's programs.
//!
//! QEMU makes the interface on the host, as under any hypervisor, and the node wires it. What the guest does is in `machine-init.sh`.

use crate::cloud::{Cloud, PATIENCE, Port};
use crate::debian;
use anyhow::{Context, Result, ensure};
use hadron_lab::{Namespace, Process};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long a guest may take to boot without help from the processor, on a busy machine.
pub const BOOT: Duration = Duration::from_secs(90);

/// How long a guest takes to begin at most where KVM works.
const PROBE: Duration = Duration::from_secs(5);
const KVM: [&str; 2] = ["kvm", "host"];
const IS_ARM: bool = cfg!(target_arch = "aarch64");
const INIT: &str = include_str!("machine-init.sh");
/// What the guest runs.
const PROGRAMS: [&str; 3] = ["/bin/busybox", "/sbin/dhclient", "/usr/sbin/dropbear"];
/// Each after those that it needs.
const MODULES: [&str; 8] = [
    "virtio/virtio_ring",
    "virtio/virtio",
    "virtio/virtio_pci_legacy_dev",
    "virtio/virtio_pci_modern_dev",
    "virtio/virtio_pci",
    "../net/core/failover",
    "net/net_failover",
    "net/virtio_net",
];

/// Kernel and user land, for any number of guests.
pub struct Image {
    kernel: PathBuf,
    user_land: PathBuf,
    /// What runs the guest's instructions, and as which processor.
    accelerator: [&'static str; 2],
}

impl Image {
    /// Makes the user land in a lab's directory.
    pub fn make(cloud: &Cloud) -> Result<Self> {
        let packages = debian::packages()?;
        let (place, user_land) = (cloud.lab.dir().join("user-land"), cloud.lab.dir().join("user-land.cpio"));
        let kernel = one_in(&packages.join("boot"), "vmlinuz-")?;
        let modules = one_in(&packages.join("lib/modules"), "")?.join("kernel/drivers");
        for directory in
            ["bin", "dev", "etc", "lib", "proc", "root/.ssh", "run", "sys", "tmp", "var/lib/dhcp"]
        {
            std::fs::create_dir_all(place.join(directory))?;
        }
        let mut files: BTreeSet<String> = PROGRAMS.iter().map(|program| (*program).to_owned()).collect();
        let namespace: &Namespace = cloud.host(crate::cloud::CONTROLLER)?;
        for program in PROGRAMS {
            let needs =
                namespace.command("chroot").arg(&packages).args(["ldd", program]).succeed(PATIENCE)?;
            files.extend(needs.split_whitespace().filter(|word| word.starts_with('/')).map(str::to_owned));
        }
        for file in files {
            copy(&packages.join(file.trim_start_matches('/')), &place.join(file.trim_start_matches('/')))?;
        }
        for (number, module) in MODULES.iter().enumerate() {
            let name = module.rsplit('/').next().unwrap_or(module);
            copy(
                &modules.join(format!("{module}.ko")),
                &place.join(format!("lib/modules/{number}-{name}.ko")),
            )?;
        }
        std::fs::write(place.join("init"), INIT)?;
        std::fs::write(place.join("etc/passwd"), "root:x:0:0:root:/root:/bin/sh\n")?;
        let archive = "cd \"$1\" && chmod 755 init && find . | busybox cpio -o -H newc >\"$2\"";
        namespace.command("sh").args(["-c", archive, "sh"]).arg(&place).arg(&user_land).succeed(PATIENCE)?;
        std::fs::remove_dir_all(place)?;
        let mut image = Self { kernel, user_land, accelerator: KVM };
        if !image.boots(namespace) {
            image.accelerator = ["tcg", "max"];
        }
        Ok(image)
    }

    /// Whether a guest begins. That the machine has KVM does not mean that it works: it may be a virtual machine itself.
    fn boots(&self, host: &Namespace) -> bool {
        let has_kvm = Path::new("/dev/kvm").exists();
        let attempt = || self.start(host, &["-nic", "none"], "probe")?.wait_for_log("guest: begins", PROBE);
        has_kvm && attempt().is_ok()
    }

    /// Boots a guest on a port of a host. `ipv6` is how it gets its IPv6 address: `slaac`, `stateless` or `stateful`.
    pub fn boot(&self, cloud: &Cloud, host: &str, port: &Port, ipv6: &str) -> Result<Process> {
        let interface = format!("tap,id=net,ifname=tap{},script=no,downscript=no", &port.id[..11]);
        let device = format!("virtio-net-pci,netdev=net,mac={},romfile=", port.mac);
        Ok(self.start(cloud.host(host)?, &["-netdev", &interface, "-device", &device], ipv6)?)
    }

    fn start(&self, host: &Namespace, devices: &[&str], ipv6: &str) -> hadron_lab::Result<Process> {
        let (machine, console) = if IS_ARM { ("virt", "ttyAMA0") } else { ("q35", "ttyS0") };
        let [accelerator, processor] = self.accelerator;
        let qemu = host.command(format!("qemu-system-{}", std::env::consts::ARCH));
        let qemu = qemu.args(["-machine", machine, "-accel", accelerator, "-cpu", processor, "-m", "256"]);
        let qemu = qemu.args([
            "-nodefaults",
            "-no-user-config",
            "-display",
            "none",
            "-no-reboot",
            "-serial",
            "stdio",
        ]);
        let qemu = qemu.arg("-kernel").arg(&self.kernel).arg("-initrd").arg(&self.user_land);
        let line = format!("console={console} quiet panic=-1 hadron.ipv6={ipv6}");
        qemu.args(devices).args(["-append", &line]).log_name(&format!("machine-{ipv6}")).spawn()
    }
}

fn one_in(directory: &Path, prefix: &str) -> Result<PathBuf> {
    let entries: Vec<_> = std::fs::read_dir(directory)?.collect::<Result<_, _>>()?;
    let mut found = entries.iter().filter(|entry| entry.file_name().to_string_lossy().starts_with(prefix));
    let one = found.next().with_context(|| format!("no {prefix} in {}", directory.display()))?;
    ensure!(found.next().is_none(), "several {prefix} in {}", directory.display());
    Ok(one.path())
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    std::fs::create_dir_all(to.parent().context("a directory")?)?;
    std::fs::copy(from, to).with_context(|| format!("copy {}", from.display()))?;
    Ok(())
}
