//! Pinned links: `links/port-<port>-<ifindex>`, `links/overlay-<ifindex>`, `links/provider-<ifindex>` and `links/services-<ifindex>`. The pins are the only record of what is attached.

use crate::bpffs;
use crate::error::{Error, Result};
use crate::object::Programs;
use crate::sys::Link;
use hadron_pipeline::program;
use std::fs;
use std::os::fd::BorrowedFd;
use std::path::{Path, PathBuf};

/// What hangs on an interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Door {
    /// The interface of an instance; the port's id.
    Port(u32),
    /// The VXLAN device.
    Overlay,
    /// An interface to a physical network; its index.
    Provider(u32),
    /// The near end of the pair of interfaces to the sockets of services.
    Services,
}

impl Door {
    /// Its program.
    pub fn program(self) -> &'static str {
        match self {
            Door::Port(_) => program::FROM_PORT,
            Door::Overlay => program::FROM_OVERLAY,
            Door::Provider(_) => program::FROM_PROVIDER,
            Door::Services => program::FROM_SERVICES,
        }
    }
}

/// A door and the interface that it is attached to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Attachment {
    /// Which packets come through it.
    pub door: Door,
    /// Interface index.
    pub ifindex: u32,
}

impl Attachment {
    fn name(self) -> String {
        match self.door {
            Door::Port(port) => format!("port-{port}-{}", self.ifindex),
            Door::Overlay => format!("overlay-{}", self.ifindex),
            Door::Provider(_) => format!("provider-{}", self.ifindex),
            Door::Services => format!("services-{}", self.ifindex),
        }
    }

    fn parse(name: &str) -> Option<Attachment> {
        let (kind, rest) = name.split_once('-')?;
        match kind {
            "port" => {
                let (port, ifindex) = rest.split_once('-')?;
                Some(Attachment { door: Door::Port(port.parse().ok()?), ifindex: ifindex.parse().ok()? })
            }
            "overlay" => Some(Attachment { door: Door::Overlay, ifindex: rest.parse().ok()? }),
            "services" => Some(Attachment { door: Door::Services, ifindex: rest.parse().ok()? }),
            "provider" => {
                let ifindex = rest.parse().ok()?;
                Some(Attachment { door: Door::Provider(ifindex), ifindex })
            }
            _ => None,
        }
    }
}

/// The pinned links of a pin directory. The pins are the record; what is held here are their descriptors.
pub struct Links {
    directory: PathBuf,
    open: Vec<(Attachment, Link)>,
}

impl Links {
    /// Opens what is pinned.
    pub fn open(pins: &Path) -> Result<Links> {
        let directory = pins.join("links");
        fs::create_dir_all(&directory).map_err(Error::file("create", &directory))?;
        let mut open = Vec::new();
        for name in bpffs::names(&directory)? {
            if let Some(attachment) = Attachment::parse(&name) {
                let link =
                    Link::open(&directory.join(name)).map_err(failed("open the link to", attachment))?;
                open.push((attachment, link));
            }
        }
        Ok(Links { directory, open })
    }

    fn path(&self, attachment: Attachment) -> PathBuf {
        self.directory.join(attachment.name())
    }

    /// What is attached. Links whose interface has gone are removed.
    pub fn list(&mut self) -> Result<Vec<Attachment>> {
        let mut gone = Vec::new();
        for (attachment, link) in &self.open {
            if !is_live(*attachment, link)? {
                gone.push(*attachment);
            }
        }
        gone.into_iter().try_for_each(|attachment| self.forget(attachment))?;
        Ok(self.open.iter().map(|(attachment, _)| *attachment).collect())
    }

    fn forget(&mut self, attachment: Attachment) -> Result<()> {
        bpffs::unpin(&self.path(attachment))?;
        self.open.retain(|(other, _)| *other != attachment);
        Ok(())
    }

    /// Gives every link its program out of `programs`.
    pub fn replace_programs(&self, programs: &Programs) -> Result<()> {
        for (attachment, link) in &self.open {
            match link.update(programs.get(attachment.door.program())?) {
                // The interface went first; the next listing removes the pin.
                Err(error) if error.raw_os_error() == Some(libc::ENOLINK) => {}
                result => result.map_err(failed("replace the program on", *attachment))?,
            }
        }
        Ok(())
    }

    /// Attaches a door; where it is attached already, its program stays. An interface has one door, and a door one interface:
    /// what contradicts this attachment is taken away once it is in force.
    pub fn attach(&mut self, wanted: Attachment, programs: &Programs) -> Result<()> {
        let program = programs.get(wanted.door.program())?;
        match self.open.iter().position(|(attachment, _)| attachment.ifindex == wanted.ifindex) {
            Some(place) if is_live(wanted, &self.open[place].1)? => self.turn(place, wanted, program)?,
            Some(place) => {
                self.forget(self.open[place].0)?;
                self.add(wanted, program)?;
            }
            None => self.add(wanted, program)?,
        }
        let elsewhere: Vec<_> = self
            .list_open()
            .filter(|other| other.door == wanted.door && other.ifindex != wanted.ifindex)
            .collect();
        elsewhere.into_iter().try_for_each(|other| self.remove(other))
    }

    fn list_open(&self) -> impl Iterator<Item = Attachment> + '_ {
        self.open.iter().map(|(attachment, _)| *attachment)
    }

    fn add(&mut self, wanted: Attachment, program: BorrowedFd<'_>) -> Result<()> {
        let link = Link::create(program, wanted.ifindex).map_err(failed("attach to", wanted))?;
        link.pin(&self.path(wanted)).map_err(Error::file("pin a link at", self.path(wanted)))?;
        self.open.push((wanted, link));
        Ok(())
    }

    /// Turns a link that is on the wanted interface into the wanted door.
    fn turn(&mut self, place: usize, wanted: Attachment, program: BorrowedFd<'_>) -> Result<()> {
        let (current, link) = &self.open[place];
        if *current == wanted {
            return Ok(());
        }
        link.update(program).map_err(failed("replace the program on", wanted))?;
        fs::rename(self.path(*current), self.path(wanted))
            .map_err(Error::file("rename a link to", self.path(wanted)))?;
        self.open[place].0 = wanted;
        Ok(())
    }

    /// Takes a door away, wherever it is attached; false when it was nowhere.
    pub fn detach(&mut self, door: Door) -> Result<bool> {
        let found: Vec<_> = self.list_open().filter(|attachment| attachment.door == door).collect();
        let any = !found.is_empty();
        found.into_iter().try_for_each(|attachment| self.remove(attachment))?;
        Ok(any)
    }

    fn remove(&mut self, attachment: Attachment) -> Result<()> {
        let link = self.open.iter().find(|(other, _)| *other == attachment).map(|(_, link)| link);
        match link.map_or(Ok(()), Link::detach) {
            // The interface went first.
            Err(error) if error.raw_os_error() == Some(libc::ENOLINK) => {}
            result => result.map_err(failed("detach from", attachment))?,
        }
        self.forget(attachment)
    }

    /// Detaches everything, and removes the directory.
    pub fn clear(&mut self) -> Result<()> {
        let all: Vec<_> = self.list_open().collect();
        all.into_iter().try_for_each(|attachment| self.remove(attachment))?;
        bpffs::remove(&self.directory)
    }
}

fn is_live(attachment: Attachment, link: &Link) -> Result<bool> {
    let interface = link.interface().map_err(failed("look at the link to", attachment))?;
    Ok(interface.is_some())
}

fn failed(action: &'static str, attachment: Attachment) -> impl FnOnce(std::io::Error) -> Error {
    move |source| Error::Link { action, ifindex: attachment.ifindex, source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_pins() {
        for attachment in [
            Attachment { door: Door::Port(7), ifindex: 12 },
            Attachment { door: Door::Overlay, ifindex: 3 },
            Attachment { door: Door::Provider(5), ifindex: 5 },
            Attachment { door: Door::Services, ifindex: 9 },
        ] {
            assert_eq!(Attachment::parse(&attachment.name()), Some(attachment));
        }
        for other in ["port-7", "port-x-1", "overlay-", "provider-x", "links", "port-7-12-1"] {
            assert_eq!(Attachment::parse(other), None, "{other}");
        }
    }
}
