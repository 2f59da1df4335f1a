//! The interfaces of ports, made and removed by netlink as a hypervisor does, without a program in between.

use anyhow::{Context, Result};
use hadron_lab::{Host, Instance};
use hadron_tests::cloud::Port;
use rtnetlink::packet_route::link::{InfoData, InfoVeth};
use rtnetlink::{Handle, LinkMessageBuilder, LinkUnspec, LinkVeth};
use std::fs::File;
use std::os::fd::AsRawFd;

/// Veth pairs from a host into one guest.
pub struct Interfaces {
    handle: Handle,
    guest: File,
}

impl Interfaces {
    /// Opens a netlink socket in `host`, served by the calling task's runtime.
    pub fn between(host: &Host, guest: &Instance) -> Result<Self> {
        let runtime = tokio::runtime::Handle::current();
        let (connection, handle, _) = host.run(|| {
            let _entered = runtime.enter();
            rtnetlink::new_connection()
        })??;
        tokio::spawn(connection);
        Ok(Self { handle, guest: File::open(guest.dir().join("net"))? })
    }

    /// Makes a port's interface, down.
    pub async fn add(&self, port: &Port) -> Result<()> {
        let (near, far) = (name(port), format!("far{}", &port.id[..11]));
        let peer = LinkMessageBuilder::<LinkUnspec>::new().name(&far).setns_by_fd(self.guest.as_raw_fd());
        let pair = LinkVeth::new(&near, &far).set_info_data(InfoData::Veth(InfoVeth::Peer(peer.build())));
        self.handle.link().add(pair.build()).execute().await.with_context(|| format!("make {near}"))
    }

    /// Removes a port's interface.
    pub async fn remove(&self, port: &Port) -> Result<()> {
        let name = name(port);
        let by_name = LinkMessageBuilder::<LinkUnspec>::new().name(&name).build();
        self.handle.link().del_with_message(by_name).execute().await.with_context(|| format!("remove {name}"))
    }
}

fn name(port: &Port) -> String {
    format!("tap{}", &port.id[..11])
}
