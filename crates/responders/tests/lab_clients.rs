//! Real DHCP clients against the responder, in namespaces. Needs root; says so and does nothing without.

mod client;

use client::{ADDRESS, MAC, ROUTER, SERVER_MAC, lease};
use hadron_lab::{Host, Instance, Topology, is_available};
use hadron_responders::dhcp4::{Counters, Lease, answer};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

const SOON: Duration = Duration::from_secs(30);
const PORT: &str = "0d6e1f4a-8c1b-4b52-9a37-2b3c4d5e6f70";

/// What a node does: frames of the port in, replies out.
struct Server {
    is_stopped: Arc<AtomicBool>,
    counters: Arc<Counters>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Server {
    fn start(host: &Host, vm: &Instance, lease: Lease) -> Self {
        let interface = vm.interface_name();
        host.command("ip").args(["link", "set", interface, "up"]).succeed(SOON).unwrap();
        let frames = host.frames(interface).unwrap();
        let is_stopped = Arc::new(AtomicBool::new(false));
        let counters = Arc::new(Counters::default());
        let (stop, count) = (Arc::clone(&is_stopped), Arc::clone(&counters));
        let thread = std::thread::spawn(move || {
            while !stop.load(Ordering::Relaxed) {
                let Some(frame) = frames.receive(Duration::from_millis(20)).unwrap() else { continue };
                let result = answer(&frame, std::slice::from_ref(&lease));
                count.record(&result);
                if let Ok(reply) = result {
                    frames.send(&reply.frame).unwrap();
                }
            }
        });
        Self { is_stopped, counters, thread: Some(thread) }
    }

    fn count(&self, name: &str) -> u64 {
        self.counters.read().find(|(known, _)| *known == name).unwrap().1
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.is_stopped.store(true, Ordering::Relaxed);
        let _ = self.thread.take().map(std::thread::JoinHandle::join);
    }
}

fn with_server(name: &str, lease: Lease, test: impl FnOnce(&Instance, &Server)) {
    if !is_available() {
        eprintln!("skipped: needs root");
        return;
    }
    let lab = Topology::new(name).host("compute1").up().unwrap();
    let host = lab.host("compute1").unwrap();
    let mac = MAC.map(|octet| format!("{octet:02x}")).join(":");
    let vm = host.instance("vm", PORT, &mac).unwrap();
    let server = Server::start(host, &vm, lease);
    test(&vm, &server);
}

#[test]
fn dhclient_gets_renews_and_releases_what_the_port_has() {
    let mut lease = lease();
    // T1 comes after four seconds. The client renews by an ordinary socket, whose checksums are partial.
    lease.lease_seconds = 8;
    lease.static_routes = vec![("169.254.169.254/32".parse().unwrap(), ROUTER)];
    with_server("dhclient", lease, |vm, server| {
        let machine = std::fs::read("/etc/resolv.conf").ok();
        let (client, address) = vm.dhcp_lease(SOON).unwrap();
        assert_eq!(address, ADDRESS);
        assert!(vm.addresses().unwrap().contains(&ADDRESS.into()));
        assert_eq!(vm.mtu().unwrap(), 1450);
        let routes = vm.routes().unwrap();
        assert!(
            routes.contains("default via 10.0.0.1") && routes.contains("169.254.169.254 via 10.0.0.1"),
            "{routes}"
        );
        assert!(routes.contains("10.0.0.0/24 dev eth0"), "{routes}");
        let resolv_conf = "search cloud.example\nnameserver 192.0.2.53\nnameserver 192.0.2.54\n";
        assert_eq!(vm.resolv_conf().unwrap(), resolv_conf);
        assert_eq!(vm.command("cat").arg("/etc/resolv.conf").succeed(SOON).unwrap(), resolv_conf);
        assert_eq!(std::fs::read("/etc/resolv.conf").ok(), machine);

        // Nobody here answers ARP for the server.
        let server_mac = SERVER_MAC.map(|octet| format!("{octet:02x}")).join(":");
        let neighbour = ["neighbour", "replace", "10.0.0.2", "lladdr", &server_mac, "dev", "eth0"];
        vm.command("ip").args(neighbour).succeed(SOON).unwrap();
        client.wait_for_log("to 10.0.0.2 port 67\nDHCPACK of 10.0.0.5", SOON).unwrap();
        vm.dhcp_release().unwrap();
        hadron_lab::until(SOON, "a release", || server.count("released") == 1).unwrap();
        assert!(!vm.addresses().unwrap().contains(&ADDRESS.into()));
        assert_eq!(server.count("checksum") + server.count("malformed"), 0);
    });
}

#[test]
fn udhcpc_gets_what_the_port_has() {
    with_server("udhcpc", lease(), |vm, server| {
        if vm.command("busybox").args(["udhcpc", "--help"]).output(SOON).is_err() {
            eprintln!("skipped: no busybox");
            return;
        }
        vm.wait_for_link(SOON).unwrap();
        let script = vm.dir().join("udhcpc-script");
        let report = "#!/bin/sh\necho $1 $ip $subnet $router $mtu $domain $dns\n";
        std::fs::write(&script, report).unwrap();
        vm.command("chmod").arg("755").arg(&script).succeed(SOON).unwrap();
        let udhcpc = ["udhcpc", "-i", "eth0", "-n", "-q", "-t", "10", "-T", "1", "-O", "mtu", "-s"];
        let said = vm.command("busybox").args(udhcpc).arg(&script).succeed(SOON).unwrap();
        let bound = "bound 10.0.0.5 255.255.255.0 10.0.0.1 1450 cloud.example 192.0.2.53 192.0.2.54";
        assert!(said.contains(bound), "{said}");
        assert_eq!((server.count("offer"), server.count("ack")), (1, 1));
    });
}
