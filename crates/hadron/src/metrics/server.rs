//! What a server tells.

use super::*;
use hadron_server::{ServerGauges, nodes::Counter};

/// The page of a server.
pub fn page(server: &ServerGauges) -> String {
    let mut page = Page::default();
    let seen = server.read();
    page.single(&REVISION, seen.revision);
    page.write(&OBJECTS, seen.objects.iter().map(|(kind, count)| ([(*kind).to_owned()], *count as u64)));
    page.write(&PORTS, seen.ports.iter().map(|(status, count)| ([(*status).to_owned()], *count as u64)));
    let hosts = &seen.hosts;
    page.write(&HOST_CONNECTED, hosts.iter().map(|host| ([host.name.clone()], host.is_connected.into())));
    let connected = || hosts.iter().filter(|host| host.is_connected);
    let lag = |revision: u64| seen.revision.saturating_sub(revision);
    page.write(&HOST_LAG, connected().map(|host| ([host.name.clone()], lag(host.revision))));
    page.write(&HOST_WAITING, connected().map(|host| ([host.name.clone()], host.waiting as u64)));
    if let Some(audit) = &seen.audit {
        let lines = [("written", audit.written), ("lost", audit.lost)];
        page.write(&AUDIT_LINES, lines.map(|(result, count)| ([result.to_owned()], count)));
        page.single(&AUDIT_FAILING, audit.trouble.is_some().into());
    }
    let events = Counter::ALL.iter().map(|counter| ([counter.name().to_owned()], server.count(*counter)));
    page.write(&EVENTS, events);
    page.finish()
}
