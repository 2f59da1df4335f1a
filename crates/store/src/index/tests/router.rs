//! What the indexes say of routers, floating IPs and port forwardings is what a search finds.

use crate::arbitrary::record;
use crate::{Snapshot, Stored};
use hadron_model::*;
use proptest::collection::vec;
use proptest::prelude::*;
use std::collections::BTreeSet;
use std::sync::Arc;

/// The values of a kind, by key.
fn all<T: crate::Record>(snapshot: &Snapshot) -> Vec<Arc<Stored<T>>> {
    snapshot.iter::<T>().cloned().collect()
}

fn routers(snapshot: &Snapshot) -> Result<(), TestCaseError> {
    let (routers, ports) = (all::<Router>(snapshot), all::<Port>(snapshot));
    for router in &routers {
        prop_assert_eq!(snapshot.router_by_number(router.number), Some(router));
        let owned: Vec<_> = routers.iter().filter(|it| it.project_id == router.project_id).collect();
        prop_assert_eq!(snapshot.count_routers_of_project(&router.project_id), owned.len());
        prop_assert!(snapshot.routers_of_project(&router.project_id).eq(owned));
    }
    let router_of = |port: &Port| port.router().map(|(router, _)| router);
    for port in &ports {
        if let Some(router) = router_of(port) {
            let its = ports.iter().filter(|it| router_of(it) == Some(router));
            prop_assert!(snapshot.router_ports(router).eq(its));
        }
        let here: Vec<_> = ports.iter().filter(|it| it.network_id == port.network_id).collect();
        let on: BTreeSet<_> = here.iter().filter_map(|it| router_of(it)).collect();
        prop_assert!(snapshot.routers_on(port.network_id).eq(on));
        let mut routed: Vec<_> = here.into_iter().filter(|it| router_of(it).is_some()).collect();
        routed.sort_by_key(|it| (router_of(it), it.id));
        prop_assert!(snapshot.router_ports_on(port.network_id).eq(routed));
    }
    Ok(())
}

fn floating_ips(snapshot: &Snapshot) -> Result<(), TestCaseError> {
    let floating_ips = all::<FloatingIp>(snapshot);
    for floating in &floating_ips {
        prop_assert_eq!(snapshot.floating_ip_by_number(floating.number), Some(floating));
        let owned: Vec<_> = floating_ips.iter().filter(|it| it.project_id == floating.project_id).collect();
        prop_assert_eq!(snapshot.count_floating_ips_of_project(&floating.project_id), owned.len());
        prop_assert!(snapshot.floating_ips_of_project(&floating.project_id).eq(owned));
        let on = floating_ips.iter().filter(|it| it.floating_network_id == floating.floating_network_id);
        prop_assert!(snapshot.floating_ips_of_network(floating.floating_network_id).eq(on));
        if let Some(router) = floating.router_id {
            let its = floating_ips.iter().filter(|it| it.router_id == Some(router));
            prop_assert!(snapshot.floating_ips_of_router(router).eq(its));
        }
        if let Some(Association { port_id, .. }) = floating.association {
            let leads =
                |it: &&Arc<Stored<FloatingIp>>| it.association.is_some_and(|to| to.port_id == port_id);
            prop_assert!(snapshot.floating_ips_of_port(port_id).eq(floating_ips.iter().filter(leads)));
        }
    }
    let forwardings = all::<PortForwarding>(snapshot);
    for forwarding in &forwardings {
        let its = forwardings.iter().filter(|it| it.floating_ip_id == forwarding.floating_ip_id);
        prop_assert!(snapshot.forwardings_of_floating_ip(forwarding.floating_ip_id).eq(its));
        let to = forwardings.iter().filter(|it| it.internal_port_id == forwarding.internal_port_id);
        prop_assert!(snapshot.forwardings_of_port(forwarding.internal_port_id).eq(to));
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn routers_answer_as_a_search_does(changes in vec((record(), any::<bool>()), 0..150)) {
        let mut snapshot = Snapshot::default();
        for (record, keep) in changes {
            snapshot.set_any(&record.key(), keep.then_some(record));
        }
        routers(&snapshot)?;
        floating_ips(&snapshot)?;
    }
}
