//! Packet logs: what they may name, and when they go.

use crate::support::security::*;
use crate::support::*;
use hadron_control::bulk::{self, Made};
use hadron_control::packet_log::{self, NewPacketLog, PacketLogChange};
use hadron_control::port::NewPort;
use hadron_control::{Error, LogError};
use hadron_model::*;

fn name<T>(result: Result<T, Error>) -> &'static str {
    result.err().expect("a refusal").type_name()
}

fn new_log(group: Option<SecurityGroupId>, port: Option<PortId>) -> NewPacketLog {
    NewPacketLog {
        project_id: "p".to_owned(),
        name: String::new(),
        description: String::new(),
        enabled: true,
        events: LoggedEvents::All,
        security_group_id: group,
        port_id: port,
        of_every_project: false,
    }
}

impl Cloud {
    async fn log(&self, new: &NewPacketLog) -> Result<PacketLog, Error> {
        self.write(|tx| packet_log::create(tx, new)).await
    }

    fn logs(&self) -> Vec<PacketLogId> {
        self.view().iter::<PacketLog>().map(|log| log.id).collect()
    }
}

#[tokio::test]
async fn a_log_names_what_is_there_and_can_be_logged() {
    let cloud = Cloud::new().await;
    let network = cloud.network().await.id;
    let (web, db) = (cloud.group("web").await.id, cloud.group("db").await.id);
    let port = cloud.port_with(network, groups(&[web])).await.unwrap().id;
    for (group, target, kind) in [
        (Some(SecurityGroupId::random()), Some(PortId::random()), "ResourceNotFound"),
        (Some(web), Some(PortId::random()), "TargetResourceNotFound"),
        (Some(db), Some(port), "InvalidResourceConstraint"),
    ] {
        assert_eq!(name(cloud.log(&new_log(group, target)).await), kind);
    }
    let direct = NewPort {
        binding: hadron_control::binding::BindingChange {
            vnic_type: Some("direct".to_owned()),
            ..Default::default()
        },
        ..new_port(network)
    };
    let direct = cloud.port(&direct).await.unwrap().id;
    assert_eq!(name(cloud.log(&new_log(None, Some(direct))).await), "LoggingTypeNotSupported");
    let mut served = new_subnet(network, "10.0.0.0/24");
    served.enable_dhcp = true;
    cloud.subnet(&served).await.unwrap();
    let service = cloud.view().ports_of_network(network).find(|port| port.is_distributed()).unwrap().id;
    assert_eq!(name(cloud.log(&new_log(None, Some(service))).await), "LoggingTypeNotSupported");
    assert_eq!(packet_log::check_resource_type("security_group"), Ok(()));
    let other = packet_log::check_resource_type("snat").unwrap_err();
    assert_eq!((other.type_name(), other.status()), ("InvalidLogResourceType", 400));
    assert_eq!(cloud.logs().len(), 0);
    for (group, target) in [(None, None), (Some(db), None), (None, Some(port)), (Some(web), Some(port))] {
        cloud.log(&new_log(group, target)).await.unwrap();
    }
    cloud.check();
}

#[tokio::test]
async fn changes_count_and_only_what_may_change_does() {
    let cloud = Cloud::new().await;
    let log = cloud.log(&new_log(None, None)).await.unwrap();
    let update = async |change: &PacketLogChange, revision| {
        cloud.write(|tx| packet_log::update(tx, log.id, change, revision)).await
    };
    let off = PacketLogChange { enabled: Some(false), ..PacketLogChange::default() };
    assert_eq!(name(update(&off, Some(7)).await), "RevisionNumberConstraintFailed");
    let changed = update(&off, Some(0)).await.unwrap();
    assert_eq!((changed.enabled, changed.stamp.revision_number), (false, 1));
    assert_eq!(update(&off, None).await.unwrap().stamp.revision_number, 1, "nothing changed");
    cloud.write(|tx| packet_log::delete(tx, log.id, Some(1))).await.unwrap();
    assert_eq!(name(update(&off, None).await), "LogResourceNotFound");
    assert_eq!(name(cloud.write(|tx| packet_log::delete(tx, log.id, None)).await), "LogResourceNotFound");
}

#[tokio::test]
async fn what_goes_takes_the_logs_in_force_along_however_many() {
    let cloud = Cloud::new().await;
    let network = cloud.network().await.id;
    let web = cloud.group("web").await.id;
    let port = cloud.port_with(network, groups(&[web])).await.unwrap().id;
    let off = |new: NewPacketLog| NewPacketLog { enabled: false, ..new };
    let kept = [
        cloud.log(&new_log(None, None)).await.unwrap().id,
        cloud.log(&off(new_log(None, Some(port)))).await.unwrap().id,
        cloud.log(&off(new_log(Some(web), None))).await.unwrap().id,
    ];
    for _ in 0..70 {
        cloud.log(&new_log(Some(web), Some(port))).await.unwrap();
        cloud.log(&new_log(Some(web), None)).await.unwrap();
    }
    cloud.delete_port(port).await.unwrap();
    assert_eq!(cloud.logs().len(), kept.len() + 70);
    cloud.delete_group(web, false).await.unwrap();
    let mut expected = kept.to_vec();
    expected.sort();
    assert_eq!(cloud.logs(), expected);
    let on = PacketLogChange { enabled: Some(true), ..PacketLogChange::default() };
    cloud.write(|tx| packet_log::update(tx, kept[1], &on, None)).await.unwrap();
    cloud.check();
}

#[tokio::test]
async fn a_bulk_create_makes_all_or_none() {
    let cloud = Cloud::new().await;
    let mut news = vec![new_log(None, None); 60];
    news.push(new_log(None, Some(PortId::random())));
    let create = |tx: &mut hadron_store::Tx, new: &NewPacketLog| packet_log::create(tx, new);
    let made = bulk::create(&cloud.store, &cloud.config, &info(), &news, create).await;
    assert_eq!(made.unwrap_err().error.type_name(), "TargetResourceNotFound");
    assert_eq!(cloud.logs().len(), 0);
    let (made, _) = bulk::create(&cloud.store, &cloud.config, &info(), &news[..60], create).await.unwrap();
    assert_eq!(made.len(), cloud.logs().len());
    assert_eq!(made[0].created(), hadron_store::Created::PacketLog(made[0].id));
}

#[test]
fn refusals_are_neutron_s() {
    let facts: serde_json::Value =
        serde_json::from_str(include_str!("../../../../spec/exceptions.json")).unwrap();
    let (group, port) = (SecurityGroupId::random(), PortId::random());
    for error in [
        LogError::NotFound(PacketLogId::random()),
        LogError::InvalidResourceType("snat".into()),
        LogError::GroupNotFound(group),
        LogError::PortNotFound(port),
        LogError::TypeNotSupported(port),
        LogError::GroupNotOnPort { group, port },
    ] {
        let fact = &facts[error.type_name()];
        assert_eq!(fact.as_u64(), Some(error.status().into()), "{}: {fact}", error.type_name());
        assert!(!error.to_string().is_empty());
    }
}
