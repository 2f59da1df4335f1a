//! A server with its store, on the loopback.

use crate::authority::{Credentials, TestAuthority};
use crate::test_node::TestNode;
use hadron_control::binding::BindingChange;
use hadron_control::network::NewNetwork;
use hadron_control::port::{NewPort, PortChange};
use hadron_control::security_group_rule::{self, NewRule, RuleMatch};
use hadron_control::segment::Provider;
use hadron_control::subnet::{Gateway, NewSubnet, Prefix};
use hadron_control::{Config, Error, Quotas, security_group};
use hadron_model::{
    Direction, Ethertype, Host, HostNumber, JoinToken, Network, NetworkId, Port, PortId, PortStatus,
    Protocol, Remote, SecurityGroupRuleId, Timestamp,
};
use hadron_server::nodes::{Counter, NodeConfig, NodeService};
use hadron_store::{CommitInfo, Counter as Number, Memory, Store, Tx};
use ring::digest::{SHA256, digest};
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

pub struct Cloud {
    pub memory: Arc<Memory>,
    pub store: Store,
    pub authority: Arc<TestAuthority>,
    pub control: Config,
    pub service: NodeService,
    pub address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    serving: JoinHandle<()>,
}

impl Cloud {
    pub async fn start() -> Self {
        Self::start_with(NodeConfig::default()).await
    }

    pub async fn start_with(config: NodeConfig) -> Self {
        let memory = Arc::new(Memory::new());
        let store = Store::open_with(memory.clone()).await.unwrap();
        let authority = Arc::new(TestAuthority::new());
        let quotas = Quotas { network: None, subnet: None, port: None, ..Quotas::default() };
        let control = Config { quotas, ..Config::default() };
        Self::serve(memory, store, authority, control, config).await
    }

    /// Another server of the same cloud, which knows where this one is.
    pub async fn beside(&self) -> Self {
        let servers = vec!["localhost:1".into(), self.node_address()];
        self.beside_with(NodeConfig { servers, ..NodeConfig::default() }).await
    }

    /// Another server of the same cloud.
    pub async fn beside_with(&self, config: NodeConfig) -> Self {
        let store = Store::open_with(self.memory.clone()).await.unwrap();
        Self::serve(self.memory.clone(), store, self.authority.clone(), self.control.clone(), config).await
    }

    /// Where nodes and other servers reach it.
    pub fn node_address(&self) -> String {
        format!("localhost:{}", self.address.port())
    }

    async fn serve(
        memory: Arc<Memory>,
        store: Store,
        authority: Arc<TestAuthority>,
        control: Config,
        config: NodeConfig,
    ) -> Self {
        let service = NodeService::start(store.clone(), authority.clone(), config);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let tls = authority.server_tls();
        let (stop, stopped) = oneshot::channel();
        let serving = tokio::spawn({
            let service = service.clone();
            async move {
                service.serve(listener, move || tls.clone(), async { drop(stopped.await) }).await.unwrap()
            }
        });
        Self { memory, store, authority, control, service, address, stop: Some(stop), serving }
    }

    /// Stops the server; its store stays. Returns when every stream has ended.
    pub async fn stop(&mut self) {
        drop(self.stop.take());
        (&mut self.serving).await.unwrap();
    }

    /// Another server on the same store.
    pub async fn restart(mut self) -> Self {
        self.stop().await;
        let Self { memory, store, authority, control, .. } = self;
        Self::serve(memory, store, authority, control, NodeConfig::default()).await
    }

    pub async fn write<R>(&self, mut f: impl FnMut(&mut Tx, &Config) -> Result<R, Error>) -> R {
        self.store.write(CommitInfo::system(), |tx| f(tx, &self.control)).await.unwrap().value
    }

    pub fn count(&self, counter: Counter) -> u64 {
        self.service.counters().get(counter)
    }

    /// A host on record, with its credentials.
    pub async fn host(&self, name: &str) -> Credentials {
        let (credentials, key_fingerprint) = self.authority.credentials(name, 4096);
        self.write(|tx, _| {
            let number = tx.next_number(Number::Host)?;
            let host = Host {
                name: name.to_owned(),
                number: HostNumber(number),
                underlay: std::net::Ipv4Addr::from_bits(0xc000_0200 + number).into(),
                key_fingerprint,
                joined_at: Timestamp::now(),
                physical_networks: Vec::new(),
            };
            tx.put(host);
            Ok(())
        })
        .await;
        credentials
    }

    /// A connected node of a new host.
    pub async fn node(&self, name: &str) -> TestNode {
        let credentials = self.host(name).await;
        TestNode::connect(self, name, &credentials).await
    }

    pub async fn remove_host(&self, name: &str) {
        self.write(|tx, _| hadron_control::host::remove(tx, name, true)).await;
    }

    /// A token good for an hour, or ended an hour ago.
    pub async fn token(&self, id: &str, secret: &str, host: Option<&str>, is_good: bool) {
        let hour = if is_good { 3_600_000 } else { -3_600_000 };
        let token = JoinToken {
            id: id.to_owned(),
            secret_sha256: digest(&SHA256, secret.as_bytes()).as_ref().try_into().unwrap(),
            host: host.map(str::to_owned),
            expires_at: Timestamp(Timestamp::now().0 + hour),
        };
        self.write(|tx, _| hadron_control::host::create_join_token(tx, token.clone())).await;
    }

    /// A network with an IPv4 subnet.
    pub async fn network(&self) -> NetworkId {
        self.network_of("10.0.0.0/16", false).await
    }

    /// The same with this subnet, and external or not.
    pub async fn network_of(&self, subnet: &str, external: bool) -> NetworkId {
        let new = NewNetwork {
            project_id: "p".into(),
            name: String::new(),
            description: String::new(),
            admin_state_up: true,
            shared: false,
            external,
            is_default: false,
            mtu: 0,
            port_security_enabled: true,
            privacy_addresses: false,
            availability_zone_hints: vec![],
            segments: vec![Provider::default()],
            dns_domain: String::new(),
        };
        self.write(|tx, config| {
            let network_id = hadron_control::network::create(tx, config, &new)?.id;
            let subnet = NewSubnet {
                network_id,
                project_id: "p".into(),
                name: String::new(),
                description: String::new(),
                ip_version: 4,
                prefix: Prefix::Given(subnet.parse().unwrap()),
                gateway: Gateway::First,
                allocation_pools: None,
                dns_nameservers: vec![],
                host_routes: vec![],
                enable_dhcp: true,
                ipv6_ra_mode: None,
                ipv6_address_mode: None,
                service_types: vec![],
                dns_publish_fixed_ip: false,
                segment_id: None,
                relies_on: vec![],
            };
            hadron_control::subnet::create(tx, config, &subnet)?;
            Ok(network_id)
        })
        .await
    }

    /// A router of the network with a gateway to an external network: its port there.
    pub async fn router(&self, inside: NetworkId) -> Port {
        use hadron_control::router::{self, Attachment, GatewayRequest, NewRouter, RouterChange};
        let network_id = self.network_of("203.0.113.0/24", true).await;
        let new = NewRouter { project_id: "p".into(), admin_state_up: true, ..NewRouter::default() };
        let id = self.store.snapshot().subnets_of(inside).next().unwrap().id;
        let subnet = Attachment::Subnet { id, may_be_foreign: false, project: "p".into() };
        let gateway = GatewayRequest { network_id, enable_snat: None, fixed_ips: vec![] };
        let change = RouterChange { gateway: Some(Some(gateway)), ..RouterChange::default() };
        let port = self.write(|tx, config| {
            let router = router::create(tx, config, &new)?.id;
            router::attach(tx, config, router, &subnet, None)?;
            Ok(router::update(tx, config, router, &change, None)?.gateways[0].port_id)
        });
        let port = port.await;
        self.store.snapshot().get::<Port>(&port).unwrap().value.clone()
    }

    /// Ports, one on each of the hosts, in one transaction. They belong to a project of their network's own, whose default
    /// group they have.
    pub async fn ports(&self, network_id: NetworkId, hosts: &[&str]) -> Vec<Port> {
        let project = || network_id.0.simple().to_string();
        let new = |host: &&str| NewPort {
            binding: BindingChange { host_id: Some((*host).to_owned()), ..BindingChange::default() },
            ..NewPort::on(network_id, project())
        };
        self.write(|tx, config| {
            hosts.iter().map(|host| hadron_control::port::create(tx, config, &new(host))).collect()
        })
        .await
    }

    /// Opens a port of the ports of the network; its rule, and the revision at which it is there.
    pub async fn add_rule(&self, network: NetworkId, round: usize) -> (SecurityGroupRuleId, u64) {
        let project_id = network.0.simple().to_string();
        let tcp = u16::try_from(1 + round).unwrap();
        let committed = self.store.write(CommitInfo::system(), |tx| {
            let new = NewRule {
                security_group_id: security_group::ensure_default(tx, &self.control, &project_id)?,
                project_id: project_id.clone(),
                matches: RuleMatch {
                    direction: Direction::Ingress,
                    ethertype: Ethertype::Ipv4,
                    protocol: Some(Protocol::numbered(6)),
                    port_range_min: Some(tcp),
                    port_range_max: Some(tcp),
                    remote: Ok(Remote::Any),
                },
                description: String::new(),
                relies_on: vec![],
            };
            Ok::<_, Error>(security_group_rule::create(tx, &self.control, &new)?.id)
        });
        let committed = committed.await.unwrap();
        (committed.value, committed.position.revision.0)
    }

    pub async fn remove_rule(&self, rule: SecurityGroupRuleId) {
        self.write(|tx, _| security_group_rule::delete(tx, rule, None)).await;
    }

    pub async fn port(&self, network: NetworkId, host: &str) -> Port {
        self.ports(network, &[host]).await.remove(0)
    }

    pub async fn update_port(&self, id: PortId, change: PortChange) {
        self.write(|tx, config| hadron_control::port::update(tx, config, id, &change, None)).await;
    }

    pub async fn delete_port(&self, id: PortId) {
        self.write(|tx, config| hadron_control::port::delete(tx, config, id, None).map(drop)).await;
    }

    pub async fn set_network_up(&self, id: NetworkId, up: bool) {
        let change =
            hadron_control::network::NetworkChange { admin_state_up: Some(up), ..Default::default() };
        self.write(|tx, config| hadron_control::network::update(tx, config, id, &change, None)).await;
        assert_eq!(self.store.snapshot().get::<Network>(&id).unwrap().admin_state_up, up);
    }

    /// Waits until the port has the status.
    pub async fn until_status(&self, id: PortId, status: PortStatus) {
        let mut watch = self.store.watch();
        let mut model = watch.initial();
        while model.get::<Port>(&id).unwrap().status != status {
            model = watch.next().await.after.clone();
        }
    }

    pub fn status(&self, id: PortId) -> PortStatus {
        self.store.snapshot().get::<Port>(&id).unwrap().status
    }
}

/// Waits until `is_so`; for what no channel tells of.
pub async fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    for _ in 0..10_000 {
        if is_so() {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(2)).await;
    }
    panic!("waited in vain until {what}");
}
