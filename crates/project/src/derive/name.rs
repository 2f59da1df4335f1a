//! The name of a port, as a function of the model.

use super::Source;
use crate::Interest;
use hadron_model::PortNumber;
use hadron_wire::Row;
use hadron_wire::row::NameRow;

impl Source<'_> {
    /// `None` for a port that is nowhere, or has no name of its own.
    pub(super) fn name(self, network: u32, number: u32) -> Option<(Interest, Row)> {
        let (interest, _) = self.location(network, number)?;
        let details = &self.model.port_by_number(PortNumber(number))?.details;
        if details.dns_name.is_empty() {
            return None;
        }
        let own = Some(&details.dns_domain).filter(|domain| !domain.is_empty());
        let domain = own.unwrap_or(&self.network(network)?.dns_domain);
        let plain = |text: &str| text.trim_end_matches('.').to_ascii_lowercase();
        let row = NameRow { network, port: number, name: plain(&details.dns_name), domain: plain(domain) };
        Some((interest, Row::Name(row)))
    }
}
