//! Which names are to be published: what ports and floating IPs say, on which networks, and whose a name is.

use crate::support::routers::{associated, new_floating_ip, to_port};
use crate::support::{Cloud, new_network, new_port, new_subnet};
use hadron_control::network::{self, NetworkChange};
use hadron_control::port::{self, PortChange};
use hadron_control::port_details::DetailsChange;
use hadron_control::publication::ledger::{self, Entry};
use hadron_control::publication::{Book, Zones};
use hadron_control::segment::Provider;
use hadron_control::subnet::{self, SubnetChange};
use hadron_model::{NameValue, NetworkId, Port, PublishedName};
use hadron_store::Watch;
use std::collections::BTreeSet;
use uuid::Uuid;

const WEB: &str = "web.example.org.";

fn zones() -> Zones {
    let reverse = ["10.0.0.0/8=24", "203.0.113.0/24"].map(|text| text.parse().unwrap());
    Zones::new(&["example.org".to_owned()], &reverse)
}

/// A book that follows, held against one that is made anew after every commit.
struct Followed {
    watch: Watch,
    book: Book,
}

impl Followed {
    fn new(cloud: &Cloud) -> Self {
        let watch = cloud.store.watch();
        Self { book: Book::new(zones(), &watch.initial()), watch }
    }

    /// The addresses and names of a name now.
    fn values(&mut self, cloud: &Cloud, name: &str) -> Vec<String> {
        while let Some(commit) = self.watch.next_known() {
            let before = self.book.clone();
            let changed = self.book.follow(&commit);
            assert_eq!(self.book, Book::new(zones(), &commit.after), "what follows is not what there is");
            for name in before.names().chain(self.book.names()) {
                let is_other = before.wanted(&commit.after, name) != self.book.wanted(&commit.after, name);
                assert!(!is_other || changed.contains(name), "{name} has changed in silence");
            }
        }
        let wanted = self.book.wanted(&cloud.view(), name);
        wanted.map(|it| it.values.iter().map(ToString::to_string).collect()).unwrap_or_default()
    }
}

/// With the ranges of identifiers that a server shows when it starts.
async fn cloud() -> Cloud {
    let cloud = Cloud::new().await;
    hadron_control::segment_range::sync_defaults(&cloud.store, &cloud.config).await.unwrap();
    cloud
}

async fn network(cloud: &Cloud, domain: &str, segment: Provider) -> NetworkId {
    let new = network::NewNetwork { dns_domain: domain.to_owned(), segments: vec![segment], ..new_network() };
    cloud.write(|tx| network::create(tx, &cloud.config, &new)).await.unwrap().id
}

async fn named(cloud: &Cloud, network: NetworkId, name: &str, domain: &str, project: &str) -> Port {
    let details = DetailsChange {
        dns_name: Some(name.to_owned()),
        dns_domain: Some(domain.to_owned()),
        ..DetailsChange::default()
    };
    let new = port::NewPort { project_id: project.to_owned(), details, ..new_port(network) };
    cloud.port(&new).await.unwrap()
}

/// The name server has accepted what a name is to stand for.
async fn publish(cloud: &Cloud, book: &Book, name: &str) {
    let holder = Uuid::from_u128(1);
    let wanted = book.wanted(&cloud.view(), name).unwrap();
    let entry = Entry::Put(PublishedName {
        name: name.to_owned(),
        project_id: wanted.project_id,
        values: wanted.values,
        is_ours: true,
    });
    cloud.write(|tx| ledger::beat(tx, holder, None)).await.unwrap();
    assert!(cloud.write(|tx| ledger::write(tx, holder, std::slice::from_ref(&entry))).await.unwrap());
}

#[tokio::test]
async fn ports_of_networks_that_are_reached_from_outside_have_their_names_published() {
    let cloud = cloud().await;
    let id = network(&cloud, "example.org.", Provider::default()).await;
    let first = cloud.subnet(&new_subnet(id, "10.1.2.0/24")).await.unwrap();
    cloud.subnet(&new_subnet(id, "10.1.3.0/24")).await.unwrap();
    let mut followed = Followed::new(&cloud);
    let port = named(&cloud, id, "Web", "", "p").await;
    // A tunnel of a project's: its addresses mean nothing outside.
    assert!(followed.values(&cloud, WEB).is_empty());
    let publishes = |dns_publish_fixed_ip| SubnetChange { dns_publish_fixed_ip, ..SubnetChange::default() };
    let change = |yes| {
        let change = publishes(Some(yes));
        let (cloud, id) = (&cloud, first.id);
        async move { cloud.write(|tx| subnet::update(tx, &cloud.config, id, &change, None)).await.unwrap() }
    };
    change(true).await;
    let address = port.fixed_ips[0].ip_address.to_string();
    assert_eq!(followed.values(&cloud, WEB), std::slice::from_ref(&address));
    // The way back only once the way there is known to be ours.
    let reverse = followed.book.reverse_of(WEB).pop_first().unwrap();
    assert!(followed.values(&cloud, &reverse).is_empty());
    publish(&cloud, &followed.book, WEB).await;
    assert_eq!(followed.values(&cloud, &reverse), [WEB]);

    let domain =
        |domain: &str| NetworkChange { dns_domain: Some(domain.to_owned()), ..NetworkChange::default() };
    let other = domain("elsewhere.test.");
    cloud.write(|tx| network::update(tx, &cloud.config, id, &other, None)).await.unwrap();
    assert!(
        followed.values(&cloud, WEB).is_empty() && followed.values(&cloud, "web.elsewhere.test.").is_empty()
    );
    let own = PortChange {
        details: DetailsChange { dns_domain: Some("example.org.".to_owned()), ..DetailsChange::default() },
        ..PortChange::default()
    };
    cloud.write(|tx| port::update(tx, &cloud.config, port.id, &own, None)).await.unwrap();
    assert_eq!(followed.values(&cloud, WEB), [address]);
    change(false).await;
    assert!(followed.values(&cloud, WEB).is_empty());

    // An identifier that projects' networks don't get is an operator's network.
    let far = Provider {
        network_type: Some("vxlan".to_owned()),
        segmentation_id: Some(9_000_000),
        ..Provider::default()
    };
    let of_operator = network(&cloud, "example.org.", far).await;
    cloud.subnet(&new_subnet(of_operator, "10.2.0.0/24")).await.unwrap();
    let port = named(&cloud, of_operator, "core", "", "p").await;
    assert_eq!(followed.values(&cloud, "core.example.org."), [port.fixed_ips[0].ip_address.to_string()]);
    cloud.delete_port(port.id).await.unwrap();
    assert!(followed.values(&cloud, "core.example.org.").is_empty());
}

#[tokio::test]
async fn a_name_belongs_to_the_project_that_has_it_first_and_then_to_the_next() {
    let cloud = cloud().await;
    let id = network(&cloud, "example.org.", Provider::default()).await;
    let new = subnet::NewSubnet { dns_publish_fixed_ip: true, ..new_subnet(id, "10.1.2.0/24") };
    cloud.subnet(&new).await.unwrap();
    let mut followed = Followed::new(&cloud);
    let (first, other, second) = (
        named(&cloud, id, "web", "", "one").await,
        named(&cloud, id, "web", "", "two").await,
        named(&cloud, id, "web", "", "one").await,
    );
    let address = |port: &Port| port.fixed_ips[0].ip_address.to_string();
    let both: BTreeSet<String> = [address(&first), address(&second)].into();
    assert_eq!(followed.values(&cloud, WEB), both.into_iter().collect::<Vec<_>>());
    publish(&cloud, &followed.book, WEB).await;
    let last = address(&other).rsplit('.').next().unwrap().to_owned();
    let reverse = format!("{last}.2.1.10.in-addr.arpa.");
    assert!(followed.values(&cloud, &reverse).is_empty(), "another project's address leads to the name");
    cloud.delete_port(first.id).await.unwrap();
    assert_eq!(followed.values(&cloud, WEB), [address(&second)]);
    cloud.delete_port(second.id).await.unwrap();
    assert_eq!(followed.values(&cloud, WEB), [address(&other)]);
    publish(&cloud, &followed.book, WEB).await;
    assert_eq!(followed.values(&cloud, &reverse), [WEB]);
}

#[tokio::test]
async fn a_floating_ip_has_its_own_name_or_that_of_its_port_in_the_port_s_network() {
    let cloud = cloud().await;
    let outside = cloud.outside().await;
    let domain = NetworkChange { dns_domain: Some("example.org.".to_owned()), ..NetworkChange::default() };
    cloud.write(|tx| network::update(tx, &cloud.config, outside.inside, &domain, None)).await.unwrap();
    let mut followed = Followed::new(&cloud);
    let port = named(&cloud, outside.inside, "web", "", "p").await;
    let plain = cloud.floating_ip(&new_floating_ip(outside.external)).await.unwrap();
    assert!(followed.values(&cloud, WEB).is_empty());
    cloud.change_floating_ip(plain.id, &associated(Some(to_port(port.id)))).await.unwrap();
    assert_eq!(followed.values(&cloud, WEB), [plain.floating_ip_address.to_string()]);
    cloud.change_floating_ip(plain.id, &associated(None)).await.unwrap();
    assert!(followed.values(&cloud, WEB).is_empty());
    let mut new = new_floating_ip(outside.external);
    (new.dns_name, new.dns_domain) = ("vip".to_owned(), "example.org.".to_owned());
    let named = cloud.floating_ip(&new).await.unwrap();
    assert_eq!(followed.values(&cloud, "vip.example.org."), [named.floating_ip_address.to_string()]);
    cloud.delete_floating_ip(named.id).await.unwrap();
    assert!(followed.values(&cloud, "vip.example.org.").is_empty());
}

#[tokio::test]
async fn one_server_at_a_time_writes_and_another_one_takes_over_only_from_who_is_gone() {
    let cloud = Cloud::new().await;
    let (one, two) = (Uuid::from_u128(1), Uuid::from_u128(2));
    let entry = [Entry::Put(PublishedName {
        name: WEB.to_owned(),
        project_id: "p".to_owned(),
        values: [NameValue::Name("x.".to_owned())].into(),
        is_ours: false,
    })];
    assert_eq!(cloud.write(|tx| ledger::beat(tx, one, None)).await.unwrap(), Some(1));
    let seen = ledger::holder(&cloud.view());
    assert_eq!(cloud.write(|tx| ledger::beat(tx, two, None)).await.unwrap(), None);
    assert_eq!(cloud.write(|tx| ledger::beat(tx, one, None)).await.unwrap(), Some(2));
    // It has shown itself since it was seen.
    assert_eq!(cloud.write(|tx| ledger::beat(tx, two, seen)).await.unwrap(), None);
    assert!(!cloud.write(|tx| ledger::write(tx, two, &entry)).await.unwrap());
    assert!(cloud.view().is_empty::<PublishedName>());
    let seen = ledger::holder(&cloud.view());
    assert_eq!(cloud.write(|tx| ledger::beat(tx, two, seen)).await.unwrap(), Some(3));
    assert!(!cloud.write(|tx| ledger::write(tx, one, &entry)).await.unwrap());
    assert!(cloud.write(|tx| ledger::write(tx, two, &entry)).await.unwrap());
    cloud.write(|tx| ledger::resign(tx, one)).await.unwrap();
    assert!(ledger::holder(&cloud.view()).is_some(), "one gave up what the other has");
    cloud.write(|tx| ledger::resign(tx, two)).await.unwrap();
    assert_eq!(cloud.write(|tx| ledger::beat(tx, one, None)).await.unwrap(), Some(1));
}
