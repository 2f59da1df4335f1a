//! Ports that move: several bindings, of which one is active.

use crate::support::servers::servers;
use crate::support::*;
use hadron_control::binding::{BindingChange, VifType, set_port_wired};
use hadron_control::port::{self, PortChange};
use hadron_control::{Error, port_binding};
use hadron_model::{Port, PortId, PortStatus};
use hadron_store::Tx;

fn change() -> BindingChange {
    BindingChange::default()
}

/// Hosts h1, h2 and h3, and an instance's port on h1 that is wired there.
async fn world(cloud: &Cloud) -> PortId {
    for (name, underlay) in [("h1", "192.0.2.1"), ("h2", "192.0.2.2"), ("h3", "192.0.2.3")] {
        cloud.host(name, underlay).await;
    }
    let mut new = new_port(cloud.network().await.id);
    new.device_owner = "compute:nova".to_owned();
    new.binding.host_id = Some("h1".to_owned());
    let port = cloud.port(&new).await.unwrap().id;
    assert!(cloud.write(|tx| set_port_wired(tx, "h1", port, true)).await.unwrap());
    port
}

fn host_of(cloud: &Cloud, port: PortId) -> (String, PortStatus, Vec<String>) {
    let view = cloud.view();
    let port = view.get::<Port>(&port).unwrap();
    let inactive = port.inactive_bindings.iter().map(|binding| binding.host_id.clone()).collect();
    (port.binding.host_id.clone(), port.status, inactive)
}

fn kind<T>(result: Result<T, Error>) -> Result<(), &'static str> {
    result.map(|_| ()).map_err(|error| error.type_name())
}

#[tokio::test]
async fn a_port_moves_when_a_binding_is_activated() {
    let cloud = Cloud::new().await;
    let port = world(&cloud).await;
    for host in ["h3", "h2"] {
        let made = cloud.write(|tx| port_binding::create(tx, port, host, &change())).await.unwrap();
        assert_eq!((made.is_active, made.vif_type), (false, VifType::Tap));
    }
    let at = |host: &str, status, inactive: &[&str]| {
        (host.to_owned(), status, inactive.iter().map(|host| (*host).to_owned()).collect::<Vec<_>>())
    };
    assert_eq!(host_of(&cloud, port), at("h1", PortStatus::Active, &["h2", "h3"]), "nothing has moved");
    assert_eq!(cloud.view().ports_of_host("h2").count(), 0);
    let moved = cloud.write(|tx| port_binding::activate(tx, port, "h2")).await.unwrap();
    assert!(moved.is_active);
    assert_eq!(host_of(&cloud, port), at("h2", PortStatus::Down, &["h1", "h3"]));
    assert_eq!((cloud.view().ports_of_host("h1").count(), cloud.view().ports_of_host("h2").count()), (0, 1));
    let late = cloud.write(|tx| set_port_wired(tx, "h1", port, true)).await;
    assert_eq!(kind(late), Err("PortNotOnHost"), "the old host has no say any more");
    cloud.write(|tx| set_port_wired(tx, "h2", port, true)).await.unwrap();
    // The move is undone.
    cloud.write(|tx| port_binding::activate(tx, port, "h1")).await.unwrap();
    cloud.write(|tx| port_binding::delete(tx, port, "h2")).await.unwrap();
    assert_eq!(host_of(&cloud, port), at("h1", PortStatus::Down, &["h3"]));
    // A change of the port's host takes the binding there.
    let mut to = PortChange::default();
    to.binding.host_id = Some("h3".to_owned());
    cloud.write(|tx| port::update(tx, &cloud.config, port, &to, None)).await.unwrap();
    assert_eq!(host_of(&cloud, port), at("h3", PortStatus::Down, &[]));
    cloud.write(|tx| port_binding::delete(tx, port, "h3")).await.unwrap();
    assert_eq!(host_of(&cloud, port), at("", PortStatus::Down, &[]));
    cloud.check();
    cloud.delete_port(port).await.unwrap();
    cloud.check();
}

#[tokio::test]
async fn a_host_that_can_t_plug_the_port_is_refused_with_the_reason() {
    let cloud = Cloud::new().await;
    let port = world(&cloud).await;
    let make = async |host: &'static str, change: BindingChange| {
        cloud.write(|tx| port_binding::create(tx, port, host, &change)).await.unwrap_err()
    };
    let unknown = make("h9", change()).await;
    assert_eq!((unknown.status(), unknown.type_name()), (500, "PortBindingError"));
    assert!(unknown.to_string().contains("host h9 has not joined"), "{unknown}");
    let direct = make("h2", BindingChange { vnic_type: Some("direct".to_owned()), ..change() }).await;
    assert!(direct.to_string().contains("vnic_type normal, not direct"), "{direct}");
    assert_eq!(make("h1", change()).await.type_name(), "PortBindingAlreadyExists");
    assert!(cloud.view().get::<Port>(&port).unwrap().inactive_bindings.is_empty());
    let mut other = new_port(cloud.view().get::<Port>(&port).unwrap().network_id);
    other.device_owner = "network:something".to_owned();
    let other = cloud.port(&other).await.unwrap().id;
    let refused = cloud.write(|tx| port_binding::create(tx, other, "h2", &change())).await;
    assert_eq!(kind(refused), Err("BadRequest"));
}

#[tokio::test]
async fn a_port_has_so_many_bindings() {
    let cloud = Cloud::new().await;
    let port = world(&cloud).await;
    for n in 0..16 {
        let name = format!("other-{n:02}");
        cloud.host(&name, &format!("198.51.100.{n}")).await;
        cloud.write(|tx| port_binding::create(tx, port, &name, &change())).await.unwrap();
    }
    let over = cloud.write(|tx| port_binding::create(tx, port, "h2", &change())).await;
    assert_eq!(kind(over), Err("BadRequest"));
    cloud.check();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_services_activate_at_the_same_time() {
    let servers = servers().await;
    let port = world(&servers.one).await;
    for host in ["h2", "h3"] {
        servers.one.write(|tx| port_binding::create(tx, port, host, &change())).await.unwrap();
    }
    servers.two.store.wait_current().await.unwrap();
    let activate = |host: &'static str| move |tx: &mut Tx| port_binding::activate(tx, port, host);
    let (a, b) = servers.race(activate("h2"), activate("h3")).await;
    assert!(a.is_ok() && b.is_ok(), "one after the other: {a:?} {b:?}");
    let view = servers.check().await;
    let port = view.get::<Port>(&port).unwrap();
    assert_eq!(port.binding.host_id, "h2");
    assert_eq!(port.inactive_bindings.len(), 2, "none is lost");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_binding_is_made_while_its_host_is_made_active_elsewhere() {
    let servers = servers().await;
    let port = world(&servers.one).await;
    servers.two.store.wait_current().await.unwrap();
    let make = |tx: &mut Tx| port_binding::create(tx, port, "h2", &change());
    let (a, b) = servers.race(make, make).await;
    assert_eq!((a.err(), b.is_ok()), (Some("PortBindingAlreadyExists"), true));
    servers.check().await;
}
