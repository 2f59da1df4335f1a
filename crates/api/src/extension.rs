//! `/v2.0/extensions`: which extensions of the Networking API work here.
//!
//! One is listed when all that it adds works. What each adds to a resource stands in that resource's table.

use crate::ApiError;
use crate::error::json_response;
use crate::json::Writer;
use axum::body::Body;
use axum::http::{Method, Response, StatusCode};

/// An extension.
pub struct Extension {
    /// What clients look for.
    pub alias: &'static str,
    /// Its name.
    pub name: &'static str,
    /// What it does.
    pub description: &'static str,
    /// When its definition last changed.
    pub updated: &'static str,
}

/// Those that work, by alias.
pub const EXTENSIONS: &[Extension] = &[
    Extension {
        alias: "aap-reject-multicast",
        name: "Allowed address pairs reject multicast extension",
        description: "Allowed address pairs have no multicast addresses",
        updated: "2026-04-01T00:00:00-00:00",
    },
    Extension {
        alias: "address-group",
        name: "Address group",
        description: "Sets of prefixes that rules can name",
        updated: "2020-07-15T10:00:00-00:00",
    },
    Extension {
        alias: "address-scope",
        name: "Address scope",
        description: "Scopes within which addresses are distinct",
        updated: "2015-07-26T10:00:00-00:00",
    },
    Extension {
        alias: "agent",
        name: "agent",
        description: "Hosts show the roles that their nodes play, and whether they are alive",
        updated: "2013-02-03T10:00:00-00:00",
    },
    Extension {
        alias: "agent-resources-synced",
        name: "Agent's Resource View Synced to Placement",
        description: "Agents tell whether they have reported what they provide; hosts of hadron have nothing to tell",
        updated: "2018-12-19T00:00:00-00:00",
    },
    Extension {
        alias: "agent_sort_key",
        name: "Agents Sort Key",
        description: "Lists of agents can be sorted",
        updated: "2013-02-03T10:00:00-00:00",
    },
    Extension {
        alias: "allowed-address-pairs",
        name: "Allowed Address Pairs",
        description: "Ports may use further addresses beside their own",
        updated: "2013-07-23T10:00:00-00:00",
    },
    Extension {
        alias: "auto-allocated-topology",
        name: "Auto Allocated Topology Services",
        description: "A project that asks for a network gets one that leads outside",
        updated: "2016-01-01T00:00:00-00:00",
    },
    Extension {
        alias: "availability_zone",
        name: "Availability Zone",
        description: "Hosts are in zones",
        updated: "2015-01-01T10:00:00-00:00",
    },
    Extension {
        alias: "availability_zone_filter",
        name: "Availability Zone Filter Extension",
        description: "Lists of zones can be filtered",
        updated: "2018-06-22T10:00:00-00:00",
    },
    Extension {
        alias: "binding",
        name: "Port Binding",
        description: "Ports name the host where they are plugged, and show how",
        updated: "2014-02-03T10:00:00-00:00",
    },
    Extension {
        alias: "binding-extended",
        name: "Port Bindings Extended",
        description: "Ports have further bindings, of which one is activated when an instance moves",
        updated: "2017-07-17T10:00:00-00:00",
    },
    Extension {
        alias: "data-plane-status",
        name: "Port data plane status extension",
        description: "Monitors can tell that a port does not forward",
        updated: "2017-01-24T10:00:00-00:00",
    },
    Extension {
        alias: "default-subnetpools",
        name: "Default Subnetpools",
        description: "Subnets can be taken from the default pool of their family",
        updated: "2016-02-18T18:00:00-00:00",
    },
    Extension {
        alias: "dhcp_agent_scheduler",
        name: "DHCP Agent Scheduler",
        description: "Shows which hosts answer DHCP for which networks",
        updated: "2013-02-07T10:00:00-00:00",
    },
    Extension {
        alias: "dns-domain-ports",
        name: "dns_domain for ports",
        description: "Ports have a domain of their own",
        updated: "2017-04-24T10:00:00-00:00",
    },
    Extension {
        alias: "dns-integration",
        name: "DNS Integration",
        description: "Networks, ports and floating IPs have names",
        updated: "2015-08-15T18:00:00-00:00",
    },
    Extension {
        alias: "dvr",
        name: "Distributed Virtual Router",
        description: "Routers do their work on the instances' hosts",
        updated: "2014-06-1T10:00:00-00:00",
    },
    Extension {
        alias: "empty-string-filtering",
        name: "Empty String Filtering Extension",
        description: "Lists can be filtered by an empty value",
        updated: "2018-05-01T10:00:00-00:00",
    },
    Extension {
        alias: "enable-default-route-bfd",
        name: "Enable BFD for default routes",
        description: "Routers say whether their default routes are watched",
        updated: "2023-02-27T00:00:00-00:00",
    },
    Extension {
        alias: "enable-default-route-ecmp",
        name: "Enable ECMP for default routes",
        description: "Routers say whether traffic is shared among their gateways",
        updated: "2023-02-27T00:00:00-00:00",
    },
    Extension {
        alias: "expose-port-forwarding-in-fip",
        name: "Expose Floating IP port forwardings",
        description: "Floating IPs show their port forwardings",
        updated: "2018-06-28T16:00:00-00:00",
    },
    Extension {
        alias: "ext-gw-mode",
        name: "Neutron L3 Configurable external gateway mode",
        description: "Routers lead outside with or without translation of addresses",
        updated: "2013-03-28T10:00:00-00:00",
    },
    Extension {
        alias: "external-gateway-multihoming",
        name: "Neutron L3 External Gateway Multihoming",
        description: "Routers have several gateways",
        updated: "2023-01-18T00:00:00-00:00",
    },
    Extension {
        alias: "extra_dhcp_opt",
        name: "Neutron Extra DHCP options",
        description: "Ports carry further options for their DHCP clients",
        updated: "2013-03-17T12:00:00-00:00",
    },
    Extension {
        alias: "extraroute",
        name: "Neutron Extra Route",
        description: "Routers have routes beside those to their subnets",
        updated: "2013-02-01T10:00:00-00:00",
    },
    Extension {
        alias: "extraroute-atomic",
        name: "Atomically add/remove extra routes",
        description: "Routes are added and removed without naming the others",
        updated: "2019-07-10T00:00:00+00:00",
    },
    Extension {
        alias: "external-net",
        name: "Neutron external network",
        description: "Networks can lead to the outside",
        updated: "2013-01-14T10:00:00-00:00",
    },
    Extension {
        alias: "filter-validation",
        name: "Filter parameters validation",
        description: "Lists refuse parameters that they don't know",
        updated: "2018-07-04T10:00:00-00:00",
    },
    // Hadron's own.
    Extension {
        alias: "fip-port-details",
        name: "Floating IP Port Details Extension",
        description: "Floating IPs show the port that they lead to",
        updated: "2018-04-09T10:00:00-00:00",
    },
    Extension {
        alias: "floating-ip-port-forwarding",
        name: "Floating IP Port Forwarding",
        description: "Ports of a floating IP lead to ports of instances",
        updated: "2018-01-19T10:00:00-00:00",
    },
    Extension {
        alias: "floating-ip-port-forwarding-description",
        name: "Floating IP Port Forwarding new attribute description",
        description: "Port forwardings have a description",
        updated: "2019-11-01T10:00:00-00:00",
    },
    Extension {
        alias: "floating-ip-port-forwarding-detail",
        name: "Floating IP port forwarding detail",
        description: "Floating IPs show ids and ports of their port forwardings",
        updated: "2022-05-06T10:00:00-00:00",
    },
    Extension {
        alias: "floating-ip-port-forwarding-port-ranges",
        name: "Floating IP Port Forwarding support port ranges",
        description: "Ranges of ports are forwarded as one",
        updated: "2020-07-01T10:00:00-00:00",
    },
    Extension {
        alias: "floating-ip-router-writable",
        name: "Floating IP Router (writable)",
        description: "Floating IPs name the router that translates them",
        updated: "2026-08-05T00:00:00-00:00",
    },
    Extension {
        alias: "floatingip-pools",
        name: "Floating IP Pools Extension",
        description: "The subnets from which floating IPs come can be listed",
        updated: "2018-03-21T10:00:00-00:00",
    },
    Extension {
        alias: "hadron-privacy-addresses",
        name: "Privacy addresses",
        description: "Hosts of a network may choose further addresses in the prefixes in which they form one",
        updated: "2026-11-21T00:00:00-00:00",
    },
    Extension {
        alias: "hadron-subnet-enlarging",
        name: "Enlarging subnets",
        description: "The prefix of a subnet can become one that covers it",
        updated: "2026-11-21T00:00:00-00:00",
    },
    Extension {
        alias: "ip-substring-filtering",
        name: "IP address substring filtering",
        description: "Ports can be filtered by a part of an address",
        updated: "2017-11-28T09:00:00-00:00",
    },
    Extension {
        alias: "ip_allocation",
        name: "IP Allocation",
        description: "Ports tell whether they get their addresses at once",
        updated: "2016-06-10T23:00:00-00:00",
    },
    Extension {
        alias: "l2_adjacency",
        name: "L2 Adjacency",
        description: "Networks tell whether all their ports are in one broadcast domain",
        updated: "2016-04-12T16:00:00-00:00",
    },
    Extension {
        alias: "l3-ha",
        name: "HA Router extension",
        description: "Routers survive the loss of a host",
        updated: "2014-04-26T00:00:00-00:00",
    },
    Extension {
        alias: "l3-port-ip-change-not-allowed",
        name: "Prevent L3 router ports IP address change extension",
        description: "An address that a floating IP leads to stays with its port",
        updated: "2018-10-09T10:00:00-00:00",
    },
    Extension {
        alias: "l3_agent_scheduler",
        name: "L3 Agent Scheduler",
        description: "Shows which hosts serve which routers",
        updated: "2013-02-07T10:00:00-00:00",
    },
    Extension {
        alias: "logging",
        name: "Logging API Extension",
        description: "What security groups allow and drop is written down, for ports of one's choice",
        updated: "2017-01-01T10:00:00-00:00",
    },
    Extension {
        alias: "multi-provider",
        name: "Multi Provider Network",
        description: "Networks can have several segments",
        updated: "2013-06-27T10:00:00-00:00",
    },
    Extension {
        alias: "net-mtu",
        name: "Network MTU",
        description: "Networks show the largest packet that they carry",
        updated: "2015-03-25T10:00:00-00:00",
    },
    Extension {
        alias: "net-mtu-writable",
        name: "Network MTU (writable)",
        description: "The largest packet of a network can be set",
        updated: "2017-07-12T00:00:00-00:00",
    },
    Extension {
        alias: "network-ip-availability",
        name: "Network IP Availability",
        description: "Administrators see how many addresses networks have and use",
        updated: "2015-09-24T00:00:00-00:00",
    },
    Extension {
        alias: "network-ip-availability-details",
        name: "Network IP Availability Details Extension",
        description: "Addresses of pools and of subnets are counted apart",
        updated: "2025-10-31T00:00:00-00:00",
    },
    Extension {
        alias: "network-segment-range",
        name: "Neutron Network Segment Range",
        description: "Administrators keep identifiers of networks for all projects or for one",
        updated: "2018-11-29T00:00:00-00:00",
    },
    Extension {
        alias: "network_availability_zone",
        name: "Network Availability Zone",
        description: "Networks show the zones of the hosts that serve them",
        updated: "2015-01-01T10:00:00-00:00",
    },
    Extension {
        alias: "pagination",
        name: "Pagination support",
        description: "Lists come in pages",
        updated: "2016-06-12T00:00:00-00:00",
    },
    Extension {
        alias: "port-device-profile",
        name: "Port device profile",
        description: "Ports name the accelerator that they want",
        updated: "2020-12-17T10:00:00-00:00",
    },
    Extension {
        alias: "port-hint-ovs-tx-steering",
        name: "Port hint: Open vSwitch Tx steering",
        description: "A hint can say how transmit queues are chosen",
        updated: "2023-01-01T00:00:00-00:00",
    },
    Extension {
        alias: "port-hints",
        name: "Port hints",
        description: "Ports carry hints for the switch of their host",
        updated: "2023-01-01T00:00:00-00:00",
    },
    Extension {
        alias: "port-mac-address-regenerate",
        name: "Neutron Port MAC address regenerate",
        description: "A port whose MAC is set to null gets a new one",
        updated: "2018-05-03T10:00:00-00:00",
    },
    Extension {
        alias: "port-mac-override",
        name: "Neutron Port MAC address override",
        description: "A port that passes a physical function has the MAC that its binding names",
        updated: "2022-03-18T10:00:00-00:00",
    },
    Extension {
        alias: "port-numa-affinity-policy",
        name: "Port NUMA affinity policy",
        description: "Ports tell the compute service how near its memory must be",
        updated: "2020-07-08T10:00:00-00:00",
    },
    Extension {
        alias: "port-numa-affinity-policy-socket",
        name: "Port NUMA affinity policy \"socket\"",
        description: "Nearness of a port can be that of a processor socket",
        updated: "2024-02-09T10:00:00-00:00",
    },
    Extension {
        alias: "port-resource-request",
        name: "Port Resource Request",
        description: "Ports tell what they want to be sure of, which is nothing without QoS",
        updated: "2018-05-08T10:00:00-00:00",
    },
    Extension {
        alias: "port-security",
        name: "Port Security",
        description: "Filtering can be switched off for a port or the ports of a network",
        updated: "2012-07-23T10:00:00-00:00",
    },
    Extension {
        alias: "port-security-groups-filtering",
        name: "Port filtering on security groups",
        description: "Ports can be filtered by their security groups",
        updated: "2018-01-09T09:00:00-00:00",
    },
    Extension {
        alias: "port-trusted-vif",
        name: "Port trusted vif",
        description: "Ports say whether an instance may change its interface",
        updated: "2024-07-10T10:00:00-00:00",
    },
    Extension {
        alias: "project-id",
        name: "project_id field enabled",
        description: "project_id is another name of tenant_id",
        updated: "2016-09-09T09:09:09-09:09",
    },
    Extension {
        alias: "provider",
        name: "Provider Network",
        description: "Networks show how their frames travel",
        updated: "2012-09-07T10:00:00-00:00",
    },
    Extension {
        alias: "quota-check-limit",
        name: "Quota engine limit check",
        description: "A limit below what is used can be refused",
        updated: "2021-09-08T16:00:00-00:00",
    },
    Extension {
        alias: "quota-check-limit-default",
        name: "Quota engine limit check by default",
        description: "A limit below what is used is refused unless it is forced",
        updated: "2024-08-21T16:00:00-00:00",
    },
    Extension {
        alias: "quota_details",
        name: "Quota details management support",
        description: "Limits are shown with what is used of them",
        updated: "2017-02-10T10:00:00-00:00",
    },
    Extension {
        alias: "quotas",
        name: "Quota management support",
        description: "Projects have limits, which administrators change",
        updated: "2012-07-29T10:00:00-00:00",
    },
    Extension {
        alias: "rbac-address-group",
        name: "Add address_group type to RBAC",
        description: "Address groups can be shared with other projects",
        updated: "2021-01-20T00:00:00-00:00",
    },
    Extension {
        alias: "rbac-address-scope",
        name: "Add address_scope type to RBAC",
        description: "Address scopes can be shared with other projects",
        updated: "2020-02-12T00:00:00-00:00",
    },
    Extension {
        alias: "rbac-policies",
        name: "RBAC Policies",
        description: "Policies share objects with other projects",
        updated: "2015-06-17T12:15:12-00:00",
    },
    Extension {
        alias: "rbac-security-groups",
        name: "Add security_group type to network RBAC",
        description: "Security groups can be shared with other projects",
        updated: "2019-02-14T00:00:00-00:00",
    },
    Extension {
        alias: "rbac-subnetpool",
        name: "Add subnetpool type to RBAC",
        description: "Subnet pools can be shared with other projects",
        updated: "2020-02-05T00:00:00-00:00",
    },
    Extension {
        alias: "revision-if-match",
        name: "If-Match constraints based on revision_number",
        description: "A change can demand the revision that it was made for",
        updated: "2016-12-11T00:00:00-00:00",
    },
    Extension {
        alias: "router",
        name: "Neutron L3 Router",
        description: "Routers join networks and lead outside",
        updated: "2012-07-20T10:00:00-00:00",
    },
    Extension {
        alias: "router-admin-state-down-before-update",
        name: "Enforce Router's Admin State Down Before Update Extension",
        description: "A router is put out of service before it is said to be of another kind",
        updated: "2019-07-02T15:56:00",
    },
    Extension {
        alias: "security-group",
        name: "security-group",
        description: "Ports have groups of rules that say what they may send and receive",
        updated: "2012-10-05T10:00:00-00:00",
    },
    Extension {
        alias: "security-groups-default-rules",
        name: "Default rules for security groups",
        description: "Administrators choose the rules with which groups begin",
        updated: "2022-12-19T10:00:00-00:00",
    },
    Extension {
        alias: "security-groups-default-statefulness",
        name: "Security Groups Default Statefulness",
        description: "Whether groups that don't say so begin stateful, in a project or in all",
        updated: "2026-04-13T00:00:00-00:00",
    },
    Extension {
        alias: "security-groups-normalized-cidr",
        name: "Normalized CIDR field for security group rules",
        description: "Rules show their remote prefix without host bits",
        updated: "2020-07-28T10:00:00-00:00",
    },
    Extension {
        alias: "security-groups-remote-address-group",
        name: "Remote address group id field for security group rules",
        description: "Rules can name an address group as the other end",
        updated: "2020-08-25T10:00:00-00:00",
    },
    Extension {
        alias: "security-groups-rules-belongs-to-default-sg",
        name: "Security group rule belongs to the project's default security group",
        description: "Rules tell whether they belong to a project's default group",
        updated: "2023-05-23T10:00:00-00:00",
    },
    Extension {
        alias: "security-groups-shared-filtering",
        name: "Security group filtering on the shared field",
        description: "Groups can be filtered by whether they are shared",
        updated: "2021-10-05T09:00:00-00:00",
    },
    Extension {
        alias: "segment",
        name: "Segment",
        description: "Segments of networks are objects, and subnets can be of one",
        updated: "2016-02-24T17:00:00-00:00",
    },
    Extension {
        alias: "service-type",
        name: "Neutron Service Type Management",
        description: "Lists the providers of services",
        updated: "2013-01-20T00:00:00-00:00",
    },
    Extension {
        alias: "sorting",
        name: "Sorting support",
        description: "Lists can be sorted",
        updated: "2016-06-12T00:00:00-00:00",
    },
    Extension {
        alias: "standard-attr-description",
        name: "standard-attr-description",
        description: "Objects have a description",
        updated: "2016-02-10T10:00:00-00:00",
    },
    Extension {
        alias: "standard-attr-revisions",
        name: "Resource revision numbers",
        description: "Objects count their changes",
        updated: "2016-04-11T10:00:00-00:00",
    },
    Extension {
        alias: "standard-attr-segment",
        name: "Standard Attribute Segment Extension",
        description: "Segments have a description, times and a number of changes",
        updated: "2018-04-09T10:00:00-00:00",
    },
    Extension {
        alias: "standard-attr-tag",
        name: "Tag support for resources with standard attribute: port, subnet, subnetpool, network, security_group, router, floatingip, policy, trunk, network_segment_range",
        description: "Objects can be tagged with words",
        updated: "2017-01-01T00:00:00-00:00",
    },
    Extension {
        alias: "standard-attr-timestamp",
        name: "Resource timestamps",
        description: "Objects tell when they were made and last changed",
        updated: "2016-09-12T10:00:00-00:00",
    },
    Extension {
        alias: "stateful-security-group",
        name: "Stateful security group",
        description: "Groups can do without connection tracking",
        updated: "2019-11-26T09:00:00-00:00",
    },
    Extension {
        alias: "subnet-dns-publish-fixed-ip",
        name: "Subnet DNS publish fixed IP",
        description: "Subnets say whether names of their addresses are to be published",
        updated: "2019-05-24T10:00:00-00:00",
    },
    Extension {
        alias: "subnet-external-network",
        name: "Subnet belongs to an external network",
        description: "Subnets show whether their network leads to the outside",
        updated: "2024-02-05T18:00:00-00:00",
    },
    Extension {
        alias: "subnet-segmentid-writable",
        name: "Subnet SegmentID (writable)",
        description: "A subnet can come to be of a segment",
        updated: "2018-03-12T00:00:00-00:00",
    },
    Extension {
        alias: "subnet-service-types",
        name: "Subnet service types",
        description: "Subnets can be for ports of certain owners",
        updated: "2016-03-15T18:00:00-00:00",
    },
    Extension {
        alias: "subnet_allocation",
        name: "Subnet Allocation",
        description: "Subnets can be taken from pools",
        updated: "2015-03-30T10:00:00-00:00",
    },
    Extension {
        alias: "subnet_onboard",
        name: "Subnet Onboard",
        description: "Subnets can be brought to a pool",
        updated: "2018-12-18T09:00:00-00:00",
    },
    Extension {
        alias: "subnetpool-prefix-ops",
        name: "Subnet Pool Prefix Operations",
        description: "Prefixes can be added to pools and removed",
        updated: "2019-02-08T10:00:00-00:00",
    },
    Extension {
        alias: "tag-creation",
        name: "Tag creation extension",
        description: "Several tags can be added at once",
        updated: "2024-23-07T10:00:00-00:00",
    },
    Extension {
        alias: "tag-ports-during-bulk-creation",
        name: "Tag Ports During Bulk Creation",
        description: "Ports can be created with tags",
        updated: "2019-12-29T19:00:00-00:00",
    },
    Extension {
        alias: "uplink-status-propagation",
        name: "Uplink status propagation extension",
        description: "Ports can be told to show the state of the uplink",
        updated: "2018-05-31T18:00:00-00:00",
    },
    Extension {
        alias: "uplink-status-propagation-updatable",
        name: "Uplink status propagation updatable extension",
        description: "Whether a port shows the state of the uplink can change",
        updated: "2024-09-03T18:00:00-00:00",
    },
];

/// Answers `/v2.0/extensions`, or `/v2.0/extensions/ALIAS`.
pub(crate) fn answer(method: &Method, alias: Option<&str>) -> Result<Response<Body>, ApiError> {
    if method != Method::GET {
        return Err(ApiError::method_not_allowed());
    }
    let mut out = Vec::with_capacity(4096);
    let mut json = Writer::new(&mut out);
    match alias {
        None => {
            json.raw(b"{\"extensions\":[");
            for (index, extension) in EXTENSIONS.iter().enumerate() {
                if index > 0 {
                    json.raw(b",");
                }
                write(extension, &mut json);
            }
            json.raw(b"]}");
        }
        Some(alias) => {
            let known = EXTENSIONS.iter().find(|extension| extension.alias == alias);
            json.raw(b"{\"extension\":");
            write(known.ok_or_else(ApiError::not_found)?, &mut json);
            json.raw(b"}");
        }
    }
    Ok(json_response(StatusCode::OK, out))
}

fn write(extension: &Extension, json: &mut Writer<'_>) {
    let members = [
        ("name", extension.name),
        ("alias", extension.alias),
        ("description", extension.description),
        ("updated", extension.updated),
    ];
    json.raw(b"{");
    for (name, value) in members {
        json.text(name);
        json.raw(b":");
        json.text(value);
        json.raw(b",");
    }
    json.raw(b"\"links\":[]}");
}
