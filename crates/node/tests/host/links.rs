//! The host's interfaces and the overlay device.

use crate::Test;
use hadron_node::links::monitor::{self, Monitor};
use hadron_node::links::overlay::OverlayConfig;
use hadron_node::links::table::{LinkNews, LinkTable};
use hadron_node::links::{Link, Netlink, Raise, silence_host_ipv6};
use rtnetlink::{Handle, LinkMessageBuilder, LinkUnspec, LinkVeth, LinkVxlan};
use tokio::sync::mpsc::Receiver;

/// The tests of this file.
pub const TESTS: &[Test] = &[
    ("links::follows_an_interface_through_its_life", follows_an_interface_through_its_life),
    ("links::an_interface_that_was_there_before_is_known", an_interface_that_was_there_before_is_known),
    ("links::raising_what_is_gone_is_no_failure", raising_what_is_gone_is_no_failure),
    ("links::hundreds_of_interfaces_at_once_are_all_known", hundreds_of_interfaces_at_once_are_all_known),
    ("links::the_overlay_device_is_made_kept_and_removed", the_overlay_device_is_made_kept_and_removed),
    ("links::an_overlay_device_of_another_port_is_replaced", an_overlay_device_of_another_port_is_replaced),
    (
        "links::a_taken_udp_port_and_a_foreign_device_are_told_clearly",
        a_taken_udp_port_and_a_foreign_device_are_told_clearly,
    ),
    (
        "links::an_overlay_of_somebody_else_on_the_same_port_is_told_clearly",
        an_overlay_of_somebody_else_on_the_same_port_is_told_clearly,
    ),
    ("links::the_overlays_packets_are_not_tracked", the_overlays_packets_are_not_tracked),
    ("links::finds_the_interface_of_an_address", finds_the_interface_of_an_address),
    ("links::several_dumps_at_once_all_succeed", several_dumps_at_once_all_succeed),
];

/// As the other tests', with a monitor to look through.
fn in_namespace<F: Future<Output = ()>>(test: impl FnOnce(Host) -> F + Send + 'static) {
    crate::in_namespace(|| async {
        let (connection, handle, _) = rtnetlink::new_connection().unwrap();
        tokio::spawn(connection);
        let Monitor { netlink, news } = monitor::start().unwrap();
        test(Host { handle, netlink, news, table: LinkTable::default() }).await;
    });
}

struct Host {
    handle: Handle,
    netlink: Netlink,
    news: Receiver<Vec<LinkNews>>,
    table: LinkTable,
}

impl Host {
    /// One end of a veth pair, by its index.
    async fn interface(&self, name: &str) -> u32 {
        self.handle.link().add(LinkVeth::new(name, &format!("p-{name}")).build()).execute().await.unwrap();
        self.index(name).await.unwrap()
    }

    async fn index(&self, name: &str) -> Option<u32> {
        let links = self.netlink.dump().await.unwrap();
        links.into_iter().find(|link| link.name == name).map(|link| link.index)
    }

    async fn set(&self, message: LinkMessageBuilder<LinkUnspec>) {
        self.handle.link().set(message.build()).execute().await.unwrap();
    }

    /// Takes in news until the interface called `name` is as `wanted` says.
    async fn until(&mut self, name: &str, wanted: impl Fn(Option<&Link>) -> bool) {
        while !wanted(self.table.named(name)) {
            for news in self.news.recv().await.expect("the monitor ended") {
                self.table.take(news);
            }
        }
    }
}

pub fn follows_an_interface_through_its_life() {
    in_namespace(|mut host| async move {
        host.until("lo", |link| link.is_some()).await;
        let index = host.interface("tap0").await;
        host.until("tap0", |link| link.is_some_and(|l| l.index == index && !l.is_up)).await;

        let failures = host.netlink.raise(vec![Raise { index, name: "tap0".into(), mtu: Some(8950) }]).await;
        assert!(failures.is_empty(), "{failures:?}");
        host.until("tap0", |link| link.is_some_and(|l| l.is_up && l.mtu == 8950)).await;

        host.set(LinkUnspec::new_with_index(index).down()).await;
        host.set(LinkUnspec::new_with_index(index).name("tap1")).await;
        host.until("tap1", |link| link.is_some_and(|l| l.index == index)).await;
        assert_eq!(host.table.named("tap0"), None);

        host.handle.link().del(index).execute().await.unwrap();
        host.until("tap1", |link| link.is_none()).await;
    });
}

pub fn an_interface_that_was_there_before_is_known() {
    in_namespace(|host| async move {
        let index = host.interface("early").await;
        let Monitor { mut news, .. } = monitor::start().unwrap();
        let first = news.recv().await.unwrap();
        let LinkNews::All(links) = &first[0] else { panic!("{first:?}") };
        assert!(links.iter().any(|l| l.name == "early" && l.index == index));
    });
}

pub fn raising_what_is_gone_is_no_failure() {
    in_namespace(|host| async move {
        let raise = Raise { index: 4242, name: "tapgone".into(), mtu: None };
        assert!(host.netlink.raise(vec![raise]).await.is_empty());
        silence_host_ipv6("tapgone").unwrap();
    });
}

pub fn hundreds_of_interfaces_at_once_are_all_known() {
    in_namespace(|mut host| async move {
        const COUNT: u32 = 300;
        for n in 0..COUNT {
            let pair = LinkVeth::new(&format!("tap{n}"), &format!("p{n}"));
            host.handle.link().add(pair.build()).execute().await.unwrap();
        }
        host.until(&format!("tap{}", COUNT - 1), |link| link.is_some()).await;
        let raises: Vec<Raise> = (0..COUNT)
            .map(|n| host.table.named(&format!("tap{n}")).expect("known"))
            .map(|l| Raise { index: l.index, name: l.name.clone(), mtu: None })
            .collect();
        assert!(host.netlink.raise(raises).await.is_empty());
        for n in 0..COUNT {
            host.until(&format!("tap{n}"), |link| link.is_some_and(|l| l.is_up)).await;
        }
    });
}

pub fn the_overlay_device_is_made_kept_and_removed() {
    in_namespace(|mut host| async move {
        let config = OverlayConfig { port: 14789, ..OverlayConfig::default() };
        host.until("lo", |link| link.is_some()).await;

        host.netlink.settle_overlay(&config, None).await.unwrap();
        host.until(&config.name, |link| config.is_met_by(link)).await;
        let ipv6 = std::fs::read_to_string(format!("/proc/sys/net/ipv6/conf/{}/disable_ipv6", config.name));
        assert_eq!(ipv6.unwrap().trim(), "1");

        let index = host.table.named(&config.name).unwrap().index;
        host.set(LinkUnspec::new_with_index(index).down()).await;
        host.until(&config.name, |link| !config.is_met_by(link)).await;
        host.netlink.settle_overlay(&config, host.table.named(&config.name)).await.unwrap();
        host.until(&config.name, |link| config.is_met_by(link) && link.unwrap().index == index).await;

        host.handle.link().del(index).execute().await.unwrap();
        host.until(&config.name, |link| link.is_none()).await;
        host.netlink.settle_overlay(&config, None).await.unwrap();
        host.until(&config.name, |link| config.is_met_by(link)).await;

        host.netlink.remove_overlay(&config).await.unwrap();
        host.until(&config.name, |link| link.is_none()).await;
        host.netlink.remove_overlay(&config).await.unwrap();
    });
}

pub fn an_overlay_device_of_another_port_is_replaced() {
    in_namespace(|mut host| async move {
        let config = OverlayConfig { port: 14790, ..OverlayConfig::default() };
        let other = OverlayConfig { port: 14791, ..config.clone() };
        host.until("lo", |link| link.is_some()).await;
        host.netlink.settle_overlay(&other, None).await.unwrap();
        host.until(&other.name, |link| other.is_met_by(link)).await;
        host.netlink.settle_overlay(&config, host.table.named(&config.name)).await.unwrap();
        host.until(&config.name, |link| config.is_met_by(link)).await;
    });
}

pub fn a_taken_udp_port_and_a_foreign_device_are_told_clearly() {
    in_namespace(|mut host| async move {
        let config = OverlayConfig { port: 14792, ..OverlayConfig::default() };
        host.until("lo", |link| link.is_some()).await;
        let _taken = std::net::UdpSocket::bind(("0.0.0.0", config.port)).unwrap();
        let error = host.netlink.settle_overlay(&config, None).await.unwrap_err().to_string();
        assert!(error.contains("14792 is in use"), "{error}");

        let config = OverlayConfig { name: "foreign".into(), ..config };
        host.interface("foreign").await;
        host.until("foreign", |link| link.is_some()).await;
        let error =
            host.netlink.settle_overlay(&config, host.table.named("foreign")).await.unwrap_err().to_string();
        assert!(error.contains("no VXLAN device"), "{error}");
        host.netlink.remove_overlay(&config).await.unwrap();
        assert!(host.index("foreign").await.is_some(), "a foreign device was deleted");
    });
}

pub fn an_overlay_of_somebody_else_on_the_same_port_is_told_clearly() {
    in_namespace(|mut host| async move {
        let config = OverlayConfig { port: 14793, ..OverlayConfig::default() };
        host.until("lo", |link| link.is_some()).await;
        let other = LinkVxlan::new("other", 0).collect_metadata(true).port(config.port).up().build();
        host.handle.link().add(other).execute().await.unwrap();
        let error = host.netlink.settle_overlay(&config, None).await.unwrap_err().to_string();
        assert!(error.contains("14793 is in use"), "{error}");

        let twin = OverlayConfig { name: "twin".into(), port: 14794, ..config };
        let same = OverlayConfig { name: "same".into(), ..twin.clone() };
        host.netlink.settle_overlay(&same, None).await.unwrap();
        let error = host.netlink.settle_overlay(&twin, None).await.unwrap_err().to_string();
        assert!(error.contains("14794 is in use"), "{error}");
    });
}

/// Connections that the namespace tracks after a packet to each of these ports, from a source port of its own.
fn tracked(host: &str, ports: &[u16]) -> u32 {
    let tracked = || -> u32 {
        let count = std::fs::read_to_string("/proc/sys/net/netfilter/nf_conntrack_count").unwrap();
        count.trim().parse().unwrap()
    };
    let before = tracked();
    for port in ports {
        let socket = std::net::UdpSocket::bind((host, 0)).unwrap();
        socket.send_to(b"outer", (host, *port)).unwrap();
    }
    tracked() - before
}

fn nft(rules: &str) {
    assert!(std::process::Command::new("nft").arg(rules).status().unwrap().success(), "nft {rules}");
}

pub fn the_overlays_packets_are_not_tracked() {
    in_namespace(|mut host| async move {
        host.until("lo", |link| link.is_some()).await;
        let lo = host.index("lo").await.unwrap();
        host.set(LinkUnspec::new_with_index(lo).up()).await;
        host.until("lo", |link| link.is_some_and(|link| link.is_up)).await;
        // Anything that asks for a connection's state has the namespace track all of them.
        nft("add table inet other; add chain inet other in { type filter hook input priority 0; }; \
             add rule inet other in ct state established accept");
        for family in ["127.0.0.1", "::1"] {
            assert_eq!(tracked(family, &[14795, 14796]), 2, "{family}: nothing is exempted yet");
        }
        host.netlink.settle_untracked(14795).await.unwrap();
        host.netlink.settle_untracked(14795).await.unwrap();
        for family in ["127.0.0.1", "::1"] {
            assert_eq!(tracked(family, &[14795]), 0, "{family}: the overlay's packets are tracked");
            assert_eq!(tracked(family, &[14796]), 1, "{family}: others are not");
        }
        host.netlink.settle_untracked(14796).await.unwrap();
        assert_eq!(tracked("127.0.0.1", &[14795]), 1, "the port before is still exempted");
        assert_eq!(tracked("127.0.0.1", &[14796]), 0);
        nft("flush ruleset");
        host.netlink.settle_untracked(14796).await.unwrap();
        nft("add table inet other; add chain inet other in { type filter hook input priority 0; }; \
             add rule inet other in ct state established accept");
        assert_eq!(tracked("127.0.0.1", &[14796]), 0, "a firewall loaded anew ended it for ever");
        host.netlink.remove_overlay(&OverlayConfig::default()).await.unwrap();
        host.netlink.remove_overlay(&OverlayConfig::default()).await.unwrap();
        assert_eq!(tracked("127.0.0.1", &[14796]), 1, "the table outlives the overlay");
    });
}

pub fn finds_the_interface_of_an_address() {
    in_namespace(|host| async move {
        let index = host.interface("tapa").await;
        let address = "192.0.2.7".parse().unwrap();
        host.handle.address().add(index, address, 24).execute().await.unwrap();
        assert_eq!(host.netlink.holder_of(address).await, Some(index));
        assert_eq!(host.netlink.holder_of("192.0.2.8".parse().unwrap()).await, None);
        let address = "2001:db8::7".parse().unwrap();
        host.handle.address().add(index, address, 64).execute().await.unwrap();
        assert_eq!(host.netlink.holder_of(address).await, Some(index));
    });
}

pub fn several_dumps_at_once_all_succeed() {
    in_namespace(|host| async move {
        let dumps = (0..20).map(|_| host.netlink.dump());
        for links in futures_util::future::join_all(dumps).await {
            assert!(links.unwrap().iter().any(|link| link.name == "lo"));
        }
    });
}
