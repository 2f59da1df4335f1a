//! A storage network: Debian's iSCSI target in one instance, an initiator in user space in another one, and large packets between them.

use anyhow::{Context, Result, ensure};
use hadron_lab::{Output, Underlay, until};
use hadron_tests::cloud::{Cloud, Options, PATIENCE};
use hadron_tests::debian::Debian;
use hadron_tests::guest::Guest;

const TARGET: &str = "iqn.2026-01.example.storage:disk";
const INITIATOR: &str = "iqn.2026-01.example.client:one";
const LOGIN: &str = "reader%correct-horse-battery";

/// A target that lets one initiator in, from one address and by name and password.
fn configure(debian: &Debian<'_>, from: &str) -> Result<()> {
    let admin = |arguments: &str| -> Result<()> {
        let all = ["--lld", "iscsi"].into_iter().chain(arguments.split(' '));
        debian.command("tgtadm").args(all).succeed(PATIENCE).map(drop).context(arguments.to_owned())
    };
    until(PATIENCE, "the target's daemon listens", || admin("--mode system --op show").is_ok())?;
    admin(&format!("--mode target --op new --tid 1 -T {TARGET}"))?;
    admin("--mode logicalunit --op new --tid 1 --lun 1 -b /disk")?;
    admin("--mode account --op new --user reader --password correct-horse-battery")?;
    admin("--mode account --op bind --tid 1 --user reader")?;
    admin(&format!("--mode target --op bind --tid 1 -I {from}"))
}

/// Commands of qemu-io on the disk.
fn on_disk(debian: &Debian<'_>, login: &str, server: &str, commands: &[&str]) -> Result<Output> {
    let name = format!(
        "driver=raw,file.driver=iscsi,file.initiator-name={INITIATOR},file.transport=tcp,\
        file.portal={server},file.target={TARGET},file.lun=1,file.user=reader,file.password-secret=password"
    );
    let (_, password) = login.split_once('%').context("a password")?;
    let secret = format!("secret,id=password,data={password}");
    let commands = commands.iter().flat_map(|command| ["-c", *command]);
    Ok(debian
        .command("qemu-io")
        .args(["--object", &secret, "--image-opts", &name])
        .args(commands)
        .output(PATIENCE)?)
}

#[test]
fn a_disk_over_the_network_is_found_written_and_read_by_its_owner_alone() -> Result<()> {
    let options = Options { mtu: 9000, ..Options::default() };
    let cloud = Cloud::up_with("storage", Underlay::V4, &["compute1", "compute2"], options)?;
    let network = cloud.network("storage")?;
    cloud.subnet(&network, "10.0.0.0/24")?;
    let target = Guest::start(&cloud, &network, "compute1", "target")?;
    let client = Guest::start(&cloud, &network, "compute2", "client")?;
    let other = Guest::start(&cloud, &network, "compute2", "other")?;
    let server = target.port.address(false)?;
    for guest in [&target, &client] {
        ensure!(guest.instance.mtu()? == 8950, "an MTU of {}", guest.instance.mtu()?);
    }
    let large = client.instance.ping(server).size(8900).unfragmented().count(3).run()?;
    ensure!(large.lost() == 0, "large packets are lost");

    let debian = Debian::of(&target.instance)?;
    debian.command("truncate").args(["-s", "16M", "/disk"]).succeed(PATIENCE)?;
    let daemon = debian.command("tgtd").arg("-f").log_name("tgtd").spawn()?;
    configure(&debian, &client.port.address(false)?.to_string()).with_context(|| daemon.log())?;

    let server = server.to_string();
    let initiator = Debian::of(&client.instance)?;
    let list = |debian: &Debian<'_>| {
        let url = format!("iscsi://{LOGIN}@{server}");
        debian.command("iscsi-ls").args(["-i", INITIATOR, "-s", &url]).output(PATIENCE)
    };
    let found = list(&initiator)?;
    ensure!(
        found.stdout.contains(TARGET) && found.stdout.contains("Lun:1"),
        "{} {}",
        found.stdout,
        found.stderr
    );
    let written = on_disk(&initiator, LOGIN, &server, &["write -P 0x5a 0 8M", "flush", "read -P 0x5a 0 8M"])?;
    ensure!(written.status.success() && written.stdout.contains("wrote 8388608/8388608"), "{written:?}");
    // By another session, and by the target itself.
    let read = on_disk(&initiator, LOGIN, &server, &["read -P 0x5a 0 8M", "read -P 0 8M 8M"])?;
    ensure!(read.status.success() && !read.stdout.contains("failed"), "{read:?}");
    let sum =
        debian.command("sh").args(["-c", "head -c 8M /disk | tr -d '\\132' | wc -c"]).succeed(PATIENCE)?;
    ensure!(sum.trim() == "0", "{sum} octets differ on the target's disk");

    for (who, debian, login) in [
        ("a wrong password", &initiator, "reader%wrong-horse-battery"),
        ("another instance", &Debian::of(&other.instance)?, LOGIN),
    ] {
        let refused = on_disk(debian, login, &server, &["read 0 512"])?;
        ensure!(!refused.status.success() && refused.stderr.contains("iSCSI"), "{who}: {refused:?}");
    }
    Ok(())
}
