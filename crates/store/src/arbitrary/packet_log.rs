//! Random packet logs.

use super::{stamp, text, uuid};
use hadron_model::*;
use proptest::option::of;
use proptest::prelude::*;

prop_compose! {
    pub(super) fn packet_log()(
        id in uuid(), texts in [text(), text(), text()], enabled: bool,
        events in proptest::sample::select(&LoggedEvents::ALL[..]), group in of(uuid()), port in of(uuid()),
        of_every_project: bool, stamp in stamp(),
    ) -> PacketLog {
        let [project_id, name, description] = texts;
        PacketLog {
            id: PacketLogId(id), project_id, name, description, enabled, events,
            security_group_id: group.map(SecurityGroupId), port_id: port.map(PortId), of_every_project, stamp,
        }
    }
}
