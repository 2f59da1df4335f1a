//! The lab itself, in the real kernel. Needs root; says so and does nothing without.

use hadron_lab::{Fault, Lab, LabError, Topology, Underlay, is_available, until};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

const SOON: Duration = Duration::from_secs(20);
const PORT: &str = "0d6e1f4a-8c1b-4b52-9a37-2b3c4d5e6f70";
const MAC: &str = "fa:16:3e:00:00:01";

/// Whether the test can run; says so if not.
fn can_run() -> bool {
    if !is_available() {
        eprintln!("skipped: needs root");
    }
    is_available()
}

fn three(prefix: &str, underlay: Underlay) -> Lab {
    Topology::new(prefix).underlay(underlay).hosts(["controller", "compute1", "compute2"]).up().unwrap()
}

fn everyone_reaches_everyone(lab: &Lab) {
    for from in lab.hosts() {
        for to in lab.hosts() {
            let report = from.ping(to.address()).count(2).run().unwrap();
            assert_eq!((report.sent, report.received), (2, 2), "{} to {}", from.name(), to.name());
        }
    }
}

#[test]
fn three_hosts_reach_each_other_by_ipv4() {
    if can_run() {
        let lab = three("four", Underlay::V4);
        assert_eq!(lab.host("compute2").unwrap().address(), Ipv4Addr::new(172, 30, 0, 3));
        everyone_reaches_everyone(&lab);
    }
}

#[test]
fn three_hosts_reach_each_other_by_ipv6_alone() {
    if can_run() {
        let lab = three("six", Underlay::V6);
        everyone_reaches_everyone(&lab);
        let addresses = lab.hosts()[0].command("ip").args(["-4", "-o", "address"]).succeed(SOON).unwrap();
        assert_eq!(addresses.lines().count(), 1, "{addresses}");
    }
}

#[test]
fn the_underlays_mtu_is_the_one_asked_for() {
    if can_run() {
        let lab = Topology::new("mtu").mtu(9000).hosts(["one", "two"]).up().unwrap();
        let ping =
            |size| lab.hosts()[0].ping(lab.hosts()[1].address()).size(size).unfragmented().run().unwrap();
        assert_eq!((ping(8972).received, ping(8973).received), (1, 0));
    }
}

#[test]
fn a_host_has_a_name_knows_the_others_and_keeps_its_files_to_itself() {
    if can_run() {
        let lab = three("files", Underlay::V4);
        let [one, two] = [&lab.hosts()[1], &lab.hosts()[2]];
        assert_eq!(one.command("uname").arg("-n").succeed(SOON).unwrap(), "compute1\n");
        let names = one.command("getent").args(["hosts", "compute2"]).succeed(SOON).unwrap();
        assert!(names.starts_with("172.30.0.3 "), "{names}");
        let touch = "mkdir -p /var/lib/hadron/node /sys/fs/bpf/hadron && touch /var/lib/hadron/node/rows";
        one.command("sh").args(["-c", touch]).succeed(SOON).unwrap();
        for (host, status) in [(one, 0), (two, 1)] {
            let test = "test -e /var/lib/hadron/node/rows -a -d /sys/fs/bpf/hadron";
            let output = host.command("sh").args(["-c", test]).output(SOON).unwrap();
            assert_eq!(output.status.code(), Some(status));
        }
        assert!(!Path::new("/sys/fs/bpf/hadron").exists());
    }
}

#[test]
fn programs_tell_how_they_ended() {
    if can_run() {
        let lab = Topology::new("exec").host("one").up().unwrap();
        let host = lab.host("one").unwrap();
        let output = host.command("sh").args(["-c", "echo out; echo err >&2; exit 3"]).output(SOON).unwrap();
        assert_eq!(
            (output.stdout.as_str(), output.stderr.as_str(), output.status.code()),
            ("out\n", "err\n", Some(3))
        );
        let failed =
            host.command("sh").args(["-c", "echo why >&2; false"]).succeed(SOON).unwrap_err().to_string();
        assert!(failed.contains("why") && failed.contains("in one"), "{failed}");
        let late = host.command("sleep").arg("100").output(Duration::from_millis(50)).unwrap_err();
        assert!(matches!(late, LabError::Deadline { .. }), "{late}");
        assert!(host.command("/no/such/program").output(SOON).is_err());
        assert!(matches!(lab.host("two"), Err(LabError::NoHost(_))));
    }
}

#[test]
fn a_process_is_logged_paused_resumed_and_killed_with_its_children() {
    if can_run() {
        let lab = Topology::new("process").host("one").up().unwrap();
        let host = lab.host("one").unwrap();
        let script = "sleep 1000 & echo child $!; echo ready; wait";
        let process = host.command("sh").args(["-c", script]).log_name("parent").spawn().unwrap();
        process.wait_for_log("ready", SOON).unwrap();
        assert_eq!(process.log_path(), host.dir().join("parent.log"));
        let state = || {
            let stat = std::fs::read_to_string(format!("/proc/{}/stat", process.pid())).unwrap();
            stat.rsplit_once(") ").unwrap().1.chars().next().unwrap()
        };
        process.pause();
        until(SOON, "a stopped process", || state() == 'T').unwrap();
        process.resume();
        until(SOON, "a running process", || state() != 'T').unwrap();
        let child: u32 = process.log().lines().next().unwrap().trim_start_matches("child ").parse().unwrap();
        process.kill();
        assert!(!process.is_running());
        until(SOON, "the end of the child", || !is_alive(child)).unwrap();
    }
}

#[test]
fn a_log_that_never_comes_is_an_error_that_shows_the_log() {
    if can_run() {
        let lab = Topology::new("log").host("one").up().unwrap();
        let host = lab.host("one").unwrap();
        let ended = host.command("sh").args(["-c", "echo sorry"]).spawn().unwrap();
        let error = ended.wait_for_log("ready", SOON).unwrap_err().to_string();
        assert!(error.contains("sorry") && error.contains("ended"), "{error}");
        let silent = host.command("sleep").arg("1000").spawn().unwrap();
        assert!(silent.wait_for_log("ready", Duration::from_millis(10)).is_err());
    }
}

#[test]
fn a_partition_is_silent_a_pulled_cable_is_not_and_both_heal() {
    if can_run() {
        let lab = three("fault", Underlay::V6);
        let [one, two] = [&lab.hosts()[1], &lab.hosts()[2]];
        let received =
            || one.ping(two.address()).count(2).timeout(Duration::from_millis(300)).run().unwrap().received;
        let carrier = || {
            two.command("ip").args(["link", "show", two.uplink()]).succeed(SOON).unwrap().contains("LOWER_UP")
        };
        assert_eq!((received(), carrier()), (2, true));
        two.fault(&Fault::Partition).unwrap();
        assert_eq!((received(), carrier()), (0, true));
        two.fault(&Fault::Heal).unwrap();
        assert_eq!((received(), carrier()), (2, true));
        two.fault(&Fault::LinkDown).unwrap();
        assert_eq!((received(), carrier()), (0, false));
        two.fault(&Fault::Heal).unwrap();
        assert_eq!((received(), carrier()), (2, true));
        everyone_reaches_everyone(&lab);
    }
}

#[test]
fn packets_are_lost_and_delayed_as_asked() {
    if can_run() {
        let lab = Topology::new("loss").hosts(["one", "two"]).up().unwrap();
        let [one, two] = [&lab.hosts()[0], &lab.hosts()[1]];
        let ping = || one.ping(two.address()).count(20).interval(Duration::from_millis(2)).run().unwrap();
        // From here on their addresses are resolved.
        assert_eq!(ping().lost(), 0);
        two.fault(&Fault::Loss(100)).unwrap();
        assert_eq!(ping().received, 0);
        two.fault(&Fault::Loss(50)).unwrap();
        let received: u32 = (0..5).map(|_| ping().received).sum();
        assert!((1..100).contains(&received), "{received} of 100");
        two.fault(&Fault::Heal).unwrap();
        assert_eq!(ping().lost(), 0);
        match one.fault(&Fault::Delay(Duration::from_millis(30))) {
            Ok(()) => assert!(ping().median().unwrap() >= Duration::from_millis(30)),
            Err(error) => assert!(error.to_string().contains("sch_netem"), "{error}"),
        }
    }
}

#[test]
fn faults_of_processes_leave_other_hosts_alone() {
    if can_run() {
        let lab = Topology::new("kill").hosts(["one", "two"]).up().unwrap();
        let start = |host: usize| lab.hosts()[host].command("sleep").arg("1000").spawn().unwrap();
        let (mine, other) = (start(0), start(1));
        lab.hosts()[0].fault(&Fault::Kill).unwrap();
        mine.wait(SOON).unwrap();
        assert!(other.is_running());
    }
}

#[test]
fn instances_are_behind_their_tap_and_go_with_it() {
    if can_run() {
        let lab = Topology::new("instance").hosts(["one"]).up().unwrap();
        let host = lab.host("one").unwrap();
        let vm = host.instance("vm", PORT, MAC).unwrap();
        assert_eq!(vm.interface_name(), "tap0d6e1f4a-8c");
        let peer = || {
            host.command("ip").args(["link", "show", "tap0d6e1f4a-8c"]).output(SOON).unwrap().status.success()
        };
        assert!(peer() && vm.wait_for_link(Duration::from_millis(20)).is_err());
        let link = vm.command("ip").args(["link", "show", "eth0"]).succeed(SOON).unwrap();
        assert!(link.contains(MAC), "{link}");
        assert!(host.instance("vm", PORT, MAC).is_err() && host.instance("other", PORT, MAC).is_err());

        let raise = "ip link set tap0d6e1f4a-8c up && ip address add 10.0.0.1/24 dev tap0d6e1f4a-8c";
        host.command("sh").args(["-c", raise]).succeed(SOON).unwrap();
        vm.wait_for_link(SOON).unwrap();
        vm.add_address("10.0.0.5/24").unwrap();
        vm.add_address("fd00::5/64").unwrap();
        vm.add_route("default", "10.0.0.1".parse().unwrap()).unwrap();
        assert!(vm.routes().unwrap().contains("default via 10.0.0.1"));
        assert_eq!(vm.ping(lab.hosts()[0].address()).run().unwrap().received, 1);
        let held = vm.command("sleep").arg("1000").spawn().unwrap();
        vm.remove();
        assert!(!peer());
        held.wait(SOON).unwrap();
        let again = host.instance("vm", PORT, MAC).unwrap();
        assert!(peer());
        drop(again);
    }
}

#[test]
fn frames_go_in_and_come_out_as_they_are() {
    if can_run() {
        let lab = Topology::new("frames").hosts(["one"]).up().unwrap();
        let host = lab.host("one").unwrap();
        let vm = host.instance("vm", PORT, MAC).unwrap();
        host.command("ip").args(["link", "set", vm.interface_name(), "up"]).succeed(SOON).unwrap();
        vm.wait_for_link(SOON).unwrap();
        let tap = host.frames(vm.interface_name()).unwrap();
        vm.gratuitous_arp(Ipv4Addr::new(10, 0, 0, 5)).unwrap();
        let arp = tap.receive_such(SOON, |frame| frame[12..14] == [8, 6]).unwrap().expect("an ARP frame");
        assert_eq!(
            (&arp[6..12], &arp[28..32], &arp[38..42]),
            (&vm.mac()[..], &[10, 0, 0, 5][..], &[10, 0, 0, 5][..])
        );
        let strange = [[0xff; 12].as_slice(), &[0x88, 0xb5, 1, 2, 3]].concat();
        tap.send(&strange).unwrap();
        let seen = vm.frames("eth0").unwrap();
        tap.send(&strange).unwrap();
        assert_eq!(seen.receive_such(SOON, |frame| frame == strange).unwrap(), Some(strange.clone()));
        assert_eq!(tap.receive_such(Duration::from_millis(5), |frame| frame == strange).unwrap(), None);
    }
}

#[test]
fn a_capture_sees_both_ways_with_the_tags_of_vlans() {
    if can_run() {
        let lab = Topology::new("capture").hosts(["one", "two"]).up().unwrap();
        let [capture, untold] = [(); 2].map(|()| lab.wire().capture("to-1").unwrap());
        assert_eq!(lab.hosts()[0].ping(lab.hosts()[1].address()).count(3).run().unwrap().received, 3);
        let is_icmp = |frame: &[u8]| frame[12..14] == [8, 0] && frame[23] == 1;
        let frames = capture.frames().unwrap().into_iter().filter(|captured| is_icmp(&captured.frame));
        let (left, came): (Vec<_>, Vec<_>) = frames.partition(|captured| captured.has_left);
        assert_eq!((left.len(), came.len()), (3, 3));
        // The kernel takes a tag out of the frame.
        let tagged = [[0xff; 12].as_slice(), &[0x81, 0, 0, 101, 0x88, 0xb5, 1, 2, 3]].concat();
        lab.hosts()[0].frames("underlay").unwrap().send(&tagged).unwrap();
        let frames = capture.frames().unwrap();
        assert!(frames.iter().any(|captured| captured.frame == tagged && !captured.has_left), "{frames:?}");
        // Each sees all since its last look.
        assert!(untold.frames().unwrap().len() >= 7 && untold.frames().unwrap().is_empty());
    }
}

#[test]
fn a_tcp_connection_is_watched_through_a_fault() {
    if can_run() {
        let lab = Topology::new("tcp").hosts(["one", "two"]).up().unwrap();
        let [one, two] = [&lab.hosts()[0], &lab.hosts()[1]];
        let address = SocketAddr::new(two.address(), 7);
        let unreachable = one.wait_for_tcp(address, Duration::from_millis(10));
        assert!(matches!(unreachable, Err(LabError::Deadline { .. })));
        let echo = two.tcp_echo(address).unwrap();
        one.wait_for_tcp(address, SOON).unwrap();
        let flow = one.tcp_flow(echo.address(), Duration::from_millis(1)).unwrap();
        flow.wait_for_messages(20, SOON).unwrap();
        two.fault(&Fault::Partition).unwrap();
        let stuck = flow.messages();
        assert!(flow.wait_for_messages(2, Duration::from_millis(300)).is_err(), "{stuck}");
        two.fault(&Fault::Heal).unwrap();
        flow.wait_for_messages(20, SOON).unwrap();
        let report = flow.stop().unwrap();
        assert!(report.error.is_none() && report.retransmits > 0, "{report:?}");
        assert!(report.longest_gap >= Duration::from_millis(200), "{report:?}");
        let calm = one.tcp_flow(echo.address(), Duration::from_millis(1)).unwrap();
        calm.wait_for_messages(20, SOON).unwrap();
        assert_eq!(calm.stop().unwrap().retransmits, 0);
    }
}

#[test]
fn a_running_ping_counts_what_it_lost() {
    if can_run() {
        let lab = Topology::new("running").hosts(["one", "two"]).up().unwrap();
        let [one, two] = [&lab.hosts()[0], &lab.hosts()[1]];
        let ping = one.ping(two.address()).interval(Duration::from_millis(5)).start().unwrap();
        ping.wait_for_replies(10, SOON).unwrap();
        let calm = one.ping(two.address()).interval(Duration::from_millis(5)).start().unwrap();
        calm.wait_for_replies(10, SOON).unwrap();
        assert_eq!(calm.stop().unwrap().unanswered, [0; 0]);
        two.fault(&Fault::Partition).unwrap();
        assert!(ping.wait_for_replies(2, Duration::from_millis(100)).is_err());
        two.fault(&Fault::Heal).unwrap();
        ping.wait_for_replies(10, SOON).unwrap();
        let report = ping.stop().unwrap();
        assert!(report.lost() > 5 && report.unanswered.len() as u32 == report.lost(), "{report:?}");
    }
}

#[test]
fn names_that_are_none_are_refused() {
    if can_run() {
        for hosts in [&["a", "a"][..], &["underlay"], &[""], &["../x"], &["-a"], &["a b"]] {
            assert!(
                matches!(Topology::new("names").hosts(hosts).up(), Err(LabError::Topology(_))),
                "{hosts:?}"
            );
        }
        assert!(Topology::new("../x").host("a").up().is_err());
    }
}

fn is_alive(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"));
    stat.is_ok_and(|stat| !stat.rsplit_once(") ").unwrap().1.starts_with('Z'))
}
