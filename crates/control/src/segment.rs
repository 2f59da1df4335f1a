//! How a network's frames travel: types, VXLAN identifiers, MTU.

use crate::config::TenantNetworkType;
use crate::{Config, Error, segment_range};
use hadron_model::network::TRANSIT_VNIS;
use hadron_model::{NetworkId, PhysicalSegment, Segment, SegmentPool, Tunnel, TunnelKind, VlanId, Vni};
use hadron_store::{SegmentClaim, TunnelClaim, Tx, VniClaim};

/// What an administrator asks for (`provider:*`); `None` is not given.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Provider {
    /// `provider:network_type`.
    pub network_type: Option<String>,
    /// `provider:physical_network`.
    pub physical_network: Option<String>,
    /// `provider:segmentation_id`.
    pub segmentation_id: Option<i64>,
}

impl Provider {
    /// Whether nothing is asked for.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Whether it leaves open which segment of its type it is.
    pub(crate) fn is_partial(&self) -> bool {
        match self.network_type.as_deref() {
            Some("flat") => self.physical_network.is_none(),
            Some("local") => false,
            _ => self.segmentation_id.is_none(),
        }
    }

    fn physical_network(&self, needed_for: &str) -> Result<String, Error> {
        let given = self.physical_network.as_ref().filter(|name| !name.is_empty());
        given
            .cloned()
            .ok_or_else(|| Error::InvalidInput(format!("physical_network required for {needed_for}")))
    }
}

/// Who takes a segment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asker<'a> {
    /// The deployment's settings.
    pub config: &'a Config,
    /// The network.
    pub network: NetworkId,
    /// Its project, which may have identifiers of its own.
    pub project: &'a str,
}

/// Takes a segment for a new network: what `provider` asks for, else what projects get.
pub(crate) fn claim(tx: &mut Tx, asks: &Asker<'_>, provider: &Provider) -> Result<Segment, Error> {
    let (config, network) = (asks.config, asks.network);
    if provider.is_empty() {
        return match config.tenant_network_type {
            TenantNetworkType::Local => Ok(Segment::Local),
            TenantNetworkType::Vxlan => claim_free_vni(tx, asks),
        };
    }
    match provider.network_type.as_deref() {
        None => Err(Error::input("provider:network_type is required with other provider attributes")),
        Some("local") => {
            refuse(provider.physical_network.is_some(), "physical_network", "local")?;
            refuse(provider.segmentation_id.is_some_and(|id| id != 0), "segmentation_id", "local")?;
            Ok(Segment::Local)
        }
        Some("vxlan") => {
            refuse(
                provider.physical_network.as_deref().is_some_and(|name| !name.is_empty()),
                "physical_network",
                "vxlan",
            )?;
            match provider.segmentation_id {
                None => claim_free_vni(tx, asks),
                Some(id) => claim_vni(tx, network, id),
            }
        }
        Some("flat") => {
            let physical = provider.physical_network("flat provider network")?;
            refuse(provider.segmentation_id.is_some_and(|id| id != 0), "segmentation_id", "flat")?;
            claim_physical(tx, network, PhysicalSegment { network: physical, vlan: None })
        }
        Some("vlan") => {
            let physical = provider.physical_network.as_deref().filter(|name| !name.is_empty());
            match (physical, provider.segmentation_id) {
                (physical, None) => claim_free_vlan(tx, asks, physical),
                (None, Some(_)) => {
                    Err(Error::input("segmentation_id requires physical_network for VLAN provider network"))
                }
                (Some(physical), Some(id)) => {
                    let vlan = Some(vlan_of(id)?);
                    claim_physical(tx, network, PhysicalSegment { network: physical.to_owned(), vlan })
                }
            }
        }
        Some("gre") => claim_tunnel(tx, asks, provider, TunnelKind::Gre),
        Some("geneve") => claim_tunnel(tx, asks, provider, TunnelKind::Geneve),
        Some(other) => Err(Error::InvalidInput(format!(
            "network_type value '{other}' is not supported; use flat, vlan, vxlan, geneve, gre or local"
        ))),
    }
}

/// Gives up a deleted network's segment.
pub(crate) fn release(tx: &mut Tx, segment: &Segment) {
    match segment {
        Segment::Local | Segment::None => {}
        Segment::Vxlan(vni) => tx.delete::<VniClaim>(vni),
        Segment::Physical(physical) => tx.delete::<SegmentClaim>(physical),
        Segment::Tunnel(tunnel) => tx.delete::<TunnelClaim>(tunnel),
    }
}

/// Takes another VLAN of the same physical network for a network of one.
pub(crate) fn change_vlan(tx: &mut Tx, network: NetworkId, old: &Segment, id: i64) -> Result<Segment, Error> {
    let is_same = old.segmentation_id().map(i64::from) == Some(id);
    match old {
        _ if is_same => Ok(old.clone()),
        Segment::Physical(PhysicalSegment { network: physical, vlan: Some(_) }) => {
            let segment = PhysicalSegment { network: physical.clone(), vlan: Some(vlan_of(id)?) };
            let new = claim_physical(tx, network, segment)?;
            release(tx, old);
            Ok(new)
        }
        _ => Err(Error::input(
            "provider:segmentation_id can be changed of VLAN networks only, which this one is not",
        )),
    }
}

fn vlan_of(id: i64) -> Result<VlanId, Error> {
    u16::try_from(id).ok().and_then(VlanId::new).ok_or_else(|| {
        Error::InvalidInput(format!("segmentation_id out of range (1 through {})", VlanId::MAX))
    })
}

/// The largest IP packet that instances on such a segment can exchange.
pub fn max_mtu(config: &Config, segment: &Segment) -> u32 {
    match segment {
        Segment::Local | Segment::Physical(_) | Segment::None => config.underlay_mtu,
        Segment::Vxlan(_) => config.underlay_mtu.saturating_sub(config.underlay.vxlan_overhead()),
        Segment::Tunnel(tunnel) => {
            config.underlay_mtu.saturating_sub(config.underlay.tunnel_overhead(tunnel.kind))
        }
    }
}

/// The MTU of a network whose segments carry `max` when `requested` is asked for; 0 asks for the largest.
pub(crate) fn mtu(max: u32, requested: u32) -> Result<u32, Error> {
    match requested {
        0 => Ok(max),
        _ if requested > max => {
            Err(Error::InvalidInput(format!("requested MTU {requested} is too big, the maximum is {max}")))
        }
        _ => Ok(requested),
    }
}

fn refuse(given: bool, attribute: &str, network_type: &str) -> Result<(), Error> {
    if given {
        return Err(Error::InvalidInput(format!(
            "provider:{attribute} is not possible with a {network_type} network"
        )));
    }
    Ok(())
}

fn claim_free_vni(tx: &mut Tx, asks: &Asker<'_>) -> Result<Segment, Error> {
    let free = segment_range::first_free(tx.view(), asks.config, &SegmentPool::Vxlan, asks.project);
    insert(tx, asks.network, free.and_then(Vni::new).ok_or(Error::NoNetworkAvailable)?)
}

fn claim_vni(tx: &mut Tx, network: NetworkId, id: i64) -> Result<Segment, Error> {
    let vni = u32::try_from(id).ok().and_then(Vni::new).ok_or_else(|| {
        Error::InvalidInput(format!("segmentation_id {id} is out of range (1 through {})", Vni::MAX))
    })?;
    if TRANSIT_VNIS.contains(&vni.get()) {
        return Err(Error::InvalidInput(format!(
            "segmentation_id {id} is kept for routers ({} through {})",
            TRANSIT_VNIS.start(),
            TRANSIT_VNIS.end()
        )));
    }
    insert(tx, network, vni)
}

fn insert(tx: &mut Tx, network: NetworkId, vni: Vni) -> Result<Segment, Error> {
    segment_range::hold(tx, &SegmentPool::Vxlan, vni.get());
    tx.insert(VniClaim { vni, network_id: network }).map_err(|_| Error::TunnelIdInUse(vni.get()))?;
    Ok(Segment::Vxlan(vni))
}

fn claim_tunnel(
    tx: &mut Tx,
    asks: &Asker<'_>,
    provider: &Provider,
    kind: TunnelKind,
) -> Result<Segment, Error> {
    let names_physical = provider.physical_network.as_deref().is_some_and(|name| !name.is_empty());
    refuse(names_physical, "physical_network", kind.as_str())?;
    let id = match provider.segmentation_id {
        None => {
            let pool = SegmentPool::Tunnel(kind);
            let free = segment_range::first_free(tx.view(), asks.config, &pool, asks.project);
            free.ok_or(Error::NoNetworkAvailable)?
        }
        Some(id) => u32::try_from(id).ok().filter(|id| *id <= kind.max_id()).ok_or_else(|| {
            let most = kind.max_id();
            Error::InvalidInput(format!("segmentation_id {id} is out of range (0 through {most})"))
        })?,
    };
    segment_range::hold(tx, &SegmentPool::Tunnel(kind), id);
    let tunnel = Tunnel { kind, id };
    tx.insert(TunnelClaim { tunnel, network_id: asks.network }).map_err(|_| Error::TunnelIdInUse(id))?;
    Ok(Segment::Tunnel(tunnel))
}

/// Takes a free VLAN of the ranges that are kept, of any physical network or a certain one.
fn claim_free_vlan(tx: &mut Tx, asks: &Asker<'_>, physical: Option<&str>) -> Result<Segment, Error> {
    let kept = segment_range::physical_networks(tx.view(), asks.config, asks.project);
    let mut names = kept.into_iter().filter(|name| physical.is_none_or(|asked| asked == name)).peekable();
    if names.peek().is_none() {
        let name = physical.unwrap_or("NAME");
        return Err(Error::InvalidInput(format!(
            "no VLANs are kept for networks without physical_network and segmentation_id: give both, make a network segment \
             range, or start the servers with --network-vlan-ranges {name}:FIRST:LAST"
        )));
    }
    let free = names.find_map(|name| {
        let pool = SegmentPool::Vlan(name.clone());
        let id = segment_range::first_free(tx.view(), asks.config, &pool, asks.project)?;
        Some(PhysicalSegment { network: name, vlan: u16::try_from(id).ok().and_then(VlanId::new) })
    });
    claim_physical(tx, asks.network, free.ok_or(Error::NoNetworkAvailable)?)
}

fn claim_physical(tx: &mut Tx, network: NetworkId, segment: PhysicalSegment) -> Result<Segment, Error> {
    if let Some(vlan) = segment.vlan {
        segment_range::hold(tx, &SegmentPool::Vlan(segment.network.clone()), vlan.get().into());
    }
    let claim = SegmentClaim { segment: segment.clone(), network_id: network };
    tx.insert(claim).map_err(|_| Error::SegmentInUse(segment.clone()))?;
    Ok(Segment::Physical(segment))
}
