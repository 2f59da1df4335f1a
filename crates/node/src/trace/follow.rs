//! Real packets that are followed: a row in the packet path for each place, and each packet told with its walk.
//!
//! ```text
//! FollowRequest ──► rows of FOLLOWS ──► the packet path ──► FollowedPacket ──► its walk ──► FollowNews
//! ```
//! What is followed ends by its number, by its time, by word of the server, or with the stream. A row has its end in the packet path's own
//! clock, so it also ends when no agent is there to end it; the next one begins with none.

use super::{Place, names_of, told};
use crate::clock;
use crate::error::chain;
use crate::plane::{FollowedPacket, Plane};
use bytes::Bytes;
use hadron_pipeline::drop::DropReason;
use hadron_pipeline::host::Frame;
use hadron_pipeline::host::trace::{Door, Snapshot};
use hadron_pipeline::table::{FOLLOWED_SNAPLEN, Follow, Followed, Headers, MAX_FOLLOWS, SegmentKey, door};
use hadron_pipeline::{Address, VerdictKind};
use hadron_wire::proto::follow_news::News;
use hadron_wire::proto::follow_place::Door as AskedDoor;
use hadron_wire::proto::{
    FollowEnd, FollowNews, FollowPlace, FollowRequest, FollowStarted, FollowedPacket as Told, TraceReply,
    TraceTunnel,
};
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::time::Instant;

/// Most places of a request.
const MOST_PLACES: usize = 8;
/// Most packets of a place.
const MOST_PACKETS: u32 = 1000;
/// Longest time, seconds.
const LONGEST: u32 = 3600;
/// Longest frame that is walked, octets: a GSO frame of 64 KiB and its headers.
const LONGEST_FRAME: usize = 66_000;

/// What the server wants.
#[derive(Clone, Debug, PartialEq)]
pub enum Wish {
    /// To hear of packets.
    Begin(FollowRequest),
    /// To hear no more of them.
    End(u64),
    /// The stream is over, and with it all that it asked for.
    Clear,
}

/// What is followed on this host.
#[derive(Debug, Default)]
pub(crate) struct Follows {
    slots: [Option<Slot>; MAX_FOLLOWS],
    requests: BTreeMap<u64, Request>,
    /// The last name of a row.
    last: Option<u32>,
    /// To be taken in.
    wishes: Vec<Wish>,
    packets: Vec<FollowedPacket>,
}

#[derive(Clone, Copy, Debug)]
struct Slot {
    request: u64,
    /// In the request.
    place: u32,
    row: Follow,
    told: u32,
}

#[derive(Debug)]
struct Request {
    until: Instant,
    lost: u64,
}

impl Follows {
    /// The server wants something, to be done between two passes.
    pub(crate) fn wish(&mut self, wish: Wish) {
        self.wishes.push(wish);
    }

    /// A packet came, to be told then.
    pub(crate) fn came(&mut self, packet: FollowedPacket) {
        self.packets.push(packet);
    }

    /// Does what is wanted, tells of packets that came, and ends what is over.
    pub(crate) fn settle(&mut self, plane: &impl Plane, place: &Place<'_>, tell: impl Fn(FollowNews)) {
        for packet in std::mem::take(&mut self.packets) {
            self.tell(plane, place, &packet).map(&tell);
        }
        for wish in std::mem::take(&mut self.wishes) {
            self.take(plane, place, wish).map(&tell);
        }
        self.expire(plane, Instant::now()).into_iter().for_each(tell);
    }

    /// Takes in what the server wants; what there is to say to it.
    fn take(&mut self, plane: &impl Plane, place: &Place<'_>, wish: Wish) -> Option<FollowNews> {
        match wish {
            Wish::Begin(request) => {
                let news = match self.begin(plane, place, &request) {
                    Ok(()) => News::Started(FollowStarted {}),
                    Err(error) => News::End(FollowEnd { error, ..FollowEnd::default() }),
                };
                return Some(FollowNews { id: request.id, news: Some(news) });
            }
            Wish::End(id) => {
                self.finish(plane, id);
            }
            Wish::Clear => {
                for id in self.requests.keys().copied().collect::<Vec<_>>() {
                    self.finish(plane, id);
                }
            }
        }
        None
    }

    fn begin(
        &mut self,
        plane: &impl Plane,
        place: &Place<'_>,
        request: &FollowRequest,
    ) -> Result<(), String> {
        let FollowRequest { id, places, most, seconds } = request;
        if !(1..=MOST_PLACES).contains(&places.len()) {
            return Err(format!("{} places; 1 to {MOST_PLACES} can be followed at a time", places.len()));
        }
        if !(1..=MOST_PACKETS).contains(most) || !(1..=LONGEST).contains(seconds) {
            return Err(format!("1 to {MOST_PACKETS} packets can be followed for 1 to {LONGEST} seconds"));
        }
        if self.slots.iter().flatten().count() + places.len() > MAX_FOLLOWS {
            return Err("as much is followed on this host already as can be at a time: wait for the end of another live trace".into());
        }
        let mut snapshot = plane.snapshot().map_err(|error| chain(&error))?;
        let time = Duration::from_secs(u64::from(*seconds));
        let until = clock::monotonic() + time.as_nanos() as u64;
        let wanted: Vec<(Headers, Headers)> =
            places.iter().map(|it| wanted(plane, &mut snapshot, place, it)).collect::<Result<_, _>>()?;
        for (number, (headers, mask)) in wanted.into_iter().enumerate() {
            let row = Follow { headers, mask, until, id: self.name(), most: *most, told: 0, lost: 0 };
            let free = self.slots.iter_mut().find(|slot| slot.is_none());
            if let Some(free) = free {
                *free = Some(Slot { request: *id, place: number as u32, row, told: 0 });
            }
        }
        self.requests.insert(*id, Request { until: Instant::now() + time, lost: 0 });
        let written = self.write(plane);
        if written.is_err() {
            self.finish(plane, *id);
        }
        written
    }

    /// A name that no record in the ring buffer has, also of an agent before this one.
    fn name(&mut self) -> u32 {
        let last = self.last.unwrap_or_else(|| (clock::monotonic() >> 20) as u32);
        *self.last.insert(last.wrapping_add(1))
    }

    fn write(&self, plane: &impl Plane) -> Result<(), String> {
        let rows: Vec<Option<Follow>> = self.slots.iter().map(|slot| slot.map(|slot| slot.row)).collect();
        plane.follow(&rows).map_err(|error| chain(&error))
    }

    /// Ends a request, and what was lost of it.
    fn finish(&mut self, plane: &impl Plane, id: u64) -> Option<u64> {
        let Request { mut lost, .. } = self.requests.remove(&id)?;
        for slot in 0..MAX_FOLLOWS {
            if self.slots[slot].is_some_and(|it| it.request == id) {
                lost += self.free(plane, slot);
            }
        }
        if let Err(error) = self.write(plane) {
            tracing::error!(error, "rows of followed packets can't be removed; they end by their time");
        }
        Some(lost)
    }

    /// Frees a row that is not written yet; what was lost of it.
    fn free(&mut self, plane: &impl Plane, slot: usize) -> u64 {
        let lost = plane.followed_by(slot).map_or(0, |row| row.lost);
        self.slots[slot] = None;
        lost
    }

    /// When the next request ends by its time.
    pub(crate) fn due(&self) -> Option<Instant> {
        self.requests.values().map(|request| request.until).min()
    }

    /// Ends what is over.
    fn expire(&mut self, plane: &impl Plane, now: Instant) -> Vec<FollowNews> {
        let is_used_up = |id: u64| !self.slots.iter().flatten().any(|slot| slot.request == id);
        let over: Vec<u64> = self
            .requests
            .iter()
            .filter(|(id, request)| request.until <= now || is_used_up(**id))
            .map(|(id, _)| *id)
            .collect();
        let end = |id| {
            let lost = self.finish(plane, id)?;
            Some(FollowNews { id, news: Some(News::End(FollowEnd { lost, ..FollowEnd::default() })) })
        };
        over.into_iter().filter_map(end).collect()
    }

    /// Tells of a packet; nothing of one that nobody waits for any more.
    fn tell(&mut self, plane: &impl Plane, place: &Place<'_>, packet: &FollowedPacket) -> Option<FollowNews> {
        let is_its = |slot: &Option<Slot>| slot.is_some_and(|slot| slot.row.id == packet.header.id);
        let slot = self.slots.iter().position(is_its)?;
        let Slot { request, place: number, row, told } = self.slots[slot].as_mut()?;
        *told += 1;
        let (id, is_last) = (*request, *told >= row.most);
        let told = tell(plane, place, *number, packet);
        if is_last {
            let lost = self.free(plane, slot);
            if let Some(request) = self.requests.get_mut(&id) {
                request.lost += lost;
            }
            // What can't be written here is written again at the end.
            let _ = self.write(plane);
        }
        Some(FollowNews { id, news: Some(News::Packet(told)) })
    }
}

/// What packets of a place look like, and which bits of that count.
fn wanted(
    plane: &impl Plane,
    snapshot: &mut Snapshot,
    place: &Place<'_>,
    asked: &FollowPlace,
) -> Result<(Headers, Headers), String> {
    let (mut headers, mut mask) = entrance(plane, snapshot, place, asked)?;
    for (asked, headers, mask) in [
        (&asked.source, &mut headers.source, &mut mask.source),
        (&asked.destination, &mut headers.destination, &mut mask.destination),
    ] {
        if !asked.is_empty() {
            let bytes = <[u8; 16]>::try_from(&asked[..]).map_err(|_| "an address is 16 bytes".to_owned())?;
            (*headers, *mask) = (Address(bytes), Address([0xff; 16]));
        }
    }
    let port = |port: u32| u16::try_from(port).map_err(|_| "a port is 1 to 65535".to_owned());
    let exactly = |port: u16| if port == 0 { 0 } else { u16::MAX };
    (headers.source_port, headers.destination_port) =
        (port(asked.source_port)?, port(asked.destination_port)?);
    (mask.source_port, mask.destination_port) =
        (exactly(headers.source_port), exactly(headers.destination_port));
    headers.protocol = asked.protocol.try_into().map_err(|_| "a protocol is 1 to 255".to_owned())?;
    mask.protocol = if headers.protocol == 0 { 0 } else { u8::MAX };
    Ok((headers, mask))
}

/// The door of a place, and of which network packets come in there.
fn entrance(
    plane: &impl Plane,
    snapshot: &mut Snapshot,
    place: &Place<'_>,
    asked: &FollowPlace,
) -> Result<(Headers, Headers), String> {
    let said = |error| chain(&error);
    let (kind, ifindex, network) = match &asked.door {
        Some(AskedDoor::Port(port)) => {
            let ifindex = plane.interface_of(snapshot, *port).map_err(said)?;
            (door::PORT, ifindex.ok_or(super::NOT_WIRED)?, 0)
        }
        Some(AskedDoor::Vni(vni)) => {
            let network = plane.network_of_vni(snapshot, *vni).map_err(said)?;
            (door::OVERLAY, 0, network.ok_or_else(|| format!("this host has no network with VNI {vni}"))?)
        }
        Some(AskedDoor::PhysicalNetwork(name)) => {
            let Some(Some(provider)) = place.providers.get(name) else {
                return Err(format!("this host has no interface to physical network {name}"));
            };
            let (ifindex, vlan) = (provider.index, asked.vlan);
            let network = plane.network_of_vlan(snapshot, SegmentKey { ifindex, vlan }).map_err(said)?;
            let none = || format!("this host has no network with VLAN {vlan} of physical network {name}");
            (door::PROVIDER, ifindex, network.ok_or_else(none)?)
        }
        None => return Err("a door that this release doesn't know; upgrade the agent".into()),
    };
    let all_of = |number: u32| if number == 0 { 0 } else { u32::MAX };
    let headers = Headers { ifindex, network, door: kind, ..Headers::default() };
    let mask =
        Headers { ifindex: all_of(ifindex), network: all_of(network), door: u8::MAX, ..Headers::default() };
    Ok((headers, mask))
}

fn tell(plane: &impl Plane, place: &Place<'_>, number: u32, packet: &FollowedPacket) -> Told {
    let FollowedPacket { header, frame } = packet;
    let is_dropped = header.verdict == VerdictKind::Drop as u32;
    let reason = DropReason::from_number(header.a).filter(|_| is_dropped);
    let (tunnel, walk) = match walk(plane, place, packet) {
        Ok((tunnel, walk)) => (tunnel, walk),
        Err(error) => (None, TraceReply { error, ..TraceReply::default() }),
    };
    let agrees =
        walk.error.is_empty() && (walk.verdict, walk.a, walk.b) == (header.verdict, header.a, header.b);
    Told {
        place: number,
        time: clock::wall(header.time).as_nanosecond().try_into().unwrap_or(0),
        frame: Bytes::from(frame.clone()),
        length: header.length,
        vlan: header.vlan,
        tunnel,
        verdict: header.verdict,
        a: header.a,
        b: header.b,
        rule: header.rule,
        reason: reason.map(told::reason),
        walk: Some(walk),
        agrees,
    }
}

/// The packet's walk by the tables, where it can be made; and the tunnel that brought it.
fn walk(
    plane: &impl Plane,
    place: &Place<'_>,
    packet: &FollowedPacket,
) -> Result<(Option<TraceTunnel>, TraceReply), String> {
    let FollowedPacket { header, frame } = packet;
    let mut snapshot = plane.snapshot().map_err(|error| chain(&error))?.at(header.time);
    let door = door_of(plane, &mut snapshot, header)?;
    let tunnel = match door {
        Door::Overlay { vni, source } => {
            Some(TraceTunnel { vni, source: source.0.to_vec().into(), ..TraceTunnel::default() })
        }
        Door::Port { .. } | Door::Provider { .. } => None,
    };
    let mut bytes = frame.clone();
    // Of what is behind the headers nothing is asked.
    bytes.resize((header.length as usize).clamp(frame.len(), LONGEST_FRAME), 0);
    let vlan = u16::try_from(header.vlan).ok().filter(|vlan| *vlan != 0);
    let frame = Frame { bytes, vlan, gso_size: header.gso_size, ..Frame::default() };
    let walk = plane.walk(&mut snapshot, door, &frame).map_err(|error| chain(&error))?;
    let names = names_of(plane, &mut snapshot, place, &walk)?;
    let mut reply = told::told(walk, &names);
    for output in &mut reply.outputs {
        output.length = output.frame.len() as u32;
        output.frame.truncate(FOLLOWED_SNAPLEN);
    }
    Ok((tunnel, TraceReply { revision: place.revision, pending: place.pending as u64, ..reply }))
}

fn door_of(plane: &impl Plane, snapshot: &mut Snapshot, header: &Followed) -> Result<Door, String> {
    let ifindex = header.ifindex;
    match u8::try_from(header.door) {
        Ok(door::PORT) => Ok(Door::Port { ifindex }),
        Ok(door::PROVIDER) => Ok(Door::Provider { ifindex }),
        _ => {
            let tunnel =
                plane.tunnel_of(snapshot, header.network, header.peer).map_err(|error| chain(&error))?;
            let (vni, source) = tunnel.ok_or("the host that sent it by the overlay is not known here")?;
            Ok(Door::Overlay { vni, source })
        }
    }
}
