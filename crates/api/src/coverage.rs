//! What the API takes and shows, but the packet path does not do yet.

/// An effect that is missing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Missing {
    /// The extension of the API that promises it.
    pub alias: &'static str,
    /// What does not happen.
    pub effect: &'static str,
}

/// Every effect that is missing. None of them protects anything: what protects is refused until it works.
pub const MISSING: &[Missing] = &[
    Missing {
        alias: "router",
        effect: "external gateways carry no traffic, and floating IPs are not translated",
    },
    Missing { alias: "ext-gw-mode", effect: "enable_snat is kept and shown" },
    Missing { alias: "external-gateway-multihoming", effect: "further gateways carry no traffic" },
    Missing { alias: "enable-default-route-bfd", effect: "default routes are not watched" },
    Missing { alias: "enable-default-route-ecmp", effect: "traffic is not shared among gateways" },
    Missing { alias: "floating-ip-port-forwarding", effect: "ports are not forwarded" },
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::extension::EXTENSIONS;

    #[test]
    fn what_is_missing_is_of_what_is_announced() {
        for missing in MISSING {
            assert!(EXTENSIONS.iter().any(|extension| extension.alias == missing.alias), "{}", missing.alias);
        }
    }
}
