//! What of a port's packets is logged, by the words of `rows.proto`.

use crate::model::Model;
use hadron_model::{LoggedEvents, Port};
use hadron_wire::row::{LogObject, PortLog};

pub fn of_port(model: &Model, port: &Port) -> Option<PortLog> {
    let mut logs = Vec::new();
    for log in model.logs.values().filter(|log| log.enabled) {
        let wants_other_port = log.port_id.is_some_and(|id| id != port.id);
        let wants_other_group = log.security_group_id.is_some_and(|id| !port.security_groups.contains(&id));
        let names_nothing = log.port_id.is_none() && log.security_group_id.is_none();
        let is_of_all = log.port_id.is_some() || (log.of_every_project && !names_nothing);
        let is_strangers = !is_of_all && log.project_id != port.project_id;
        if !port.port_security_enabled || wants_other_port || wants_other_group || is_strangers {
            continue;
        }
        let group = model.groups.values().find(|group| Some(group.id) == log.security_group_id);
        logs.push(LogObject {
            uuid: log.id.0.into_bytes(),
            accepted: log.events == LoggedEvents::All || log.events == LoggedEvents::Accept,
            dropped: log.events == LoggedEvents::All || log.events == LoggedEvents::Drop,
            group: group.map(|group| group.number.0),
        });
    }
    logs.sort();
    (!logs.is_empty()).then(|| PortLog { project: port.project_id.clone(), logs })
}
