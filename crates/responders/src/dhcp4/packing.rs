//! Options into a message of bounded size: the options field first, then `file`, then `sname` (RFC 2131 §4.1).

use super::options::{code, write, written_length};

const FILE: usize = 128;
const SNAME: usize = 64;
const OVERLOAD_LENGTH: usize = 3;

/// An option of a reply.
pub(super) struct Entry {
    pub(super) code: u8,
    pub(super) value: Vec<u8>,
    /// A reply without it is worse than none. It stands in the options field, where a client looks before it knows of others.
    pub(super) is_required: bool,
}

/// The three fields of a message that hold options.
pub(super) struct Packed {
    /// With its end mark.
    pub(super) options: Vec<u8>,
    pub(super) file: [u8; FILE],
    pub(super) sname: [u8; SNAME],
}

impl Packed {
    fn new(options: Vec<u8>) -> Self {
        Self { options, file: [0; FILE], sname: [0; SNAME] }
    }

    /// Names the server and the file to boot from in the fields that are there for it and hold no options, for firmware that
    /// looks nowhere else. A name that doesn't fit with its closing zero is left to the options.
    pub(super) fn name_boot_file(&mut self, server: &[u8], file: &[u8]) {
        for (field, name) in [(&mut self.sname[..], server), (&mut self.file[..], file)] {
            if field.iter().all(|octet| *octet == 0) && name.len() < field.len() {
                field[..name.len()].copy_from_slice(name);
            }
        }
    }
}

/// A field, and how many octets of it options may fill.
struct Field {
    room: usize,
    content: Vec<u8>,
}

impl Field {
    fn new(size: usize) -> Self {
        Self { room: size.saturating_sub(1), content: Vec::new() }
    }

    fn takes(&mut self, entry: &Entry) -> bool {
        let fits = self.content.len() + written_length(&entry.value) <= self.room;
        if fits {
            write(&mut self.content, entry.code, &entry.value);
        }
        fits
    }
}

/// Packs `entries` in their order into an options field of at most `size` octets and, if that is too small, into the other two. What
/// fits nowhere is left out; `None` if that is a required one. `last` stands at the end of the options field.
pub(super) fn pack(entries: &[Entry], last: Option<&[u8]>, size: usize) -> Option<Packed> {
    let last_length = last.map_or(0, written_length);
    let size = size.checked_sub(last_length)?;
    let total: usize = entries.iter().map(|entry| written_length(&entry.value)).sum();
    let mut packed = if total < size { whole(entries) } else { overloaded(entries, size)? };
    if let Some(last) = last {
        write(&mut packed.options, code::RELAY_INFORMATION, last);
    }
    packed.options.push(code::END);
    Some(packed)
}

fn whole(entries: &[Entry]) -> Packed {
    let mut options = Vec::new();
    for entry in entries {
        write(&mut options, entry.code, &entry.value);
    }
    Packed::new(options)
}

fn overloaded(entries: &[Entry], size: usize) -> Option<Packed> {
    let mut fields = [Field::new(size.checked_sub(OVERLOAD_LENGTH)?), Field::new(FILE), Field::new(SNAME)];
    for entry in entries {
        let candidates = if entry.is_required { &mut fields[..1] } else { &mut fields[..] };
        let is_placed = candidates.iter_mut().any(|field| field.takes(entry));
        if entry.is_required && !is_placed {
            return None;
        }
    }
    let [options, file, sname] = fields.map(|field| field.content);
    let mut packed = Packed::new(options);
    let used = u8::from(!file.is_empty()) | u8::from(!sname.is_empty()) << 1;
    if used != 0 {
        write(&mut packed.options, code::OVERLOAD, &[used]);
    }
    close(&mut packed.file, &file);
    close(&mut packed.sname, &sname);
    Some(packed)
}

fn close(field: &mut [u8], content: &[u8]) {
    if !content.is_empty() {
        field[..content.len()].copy_from_slice(content);
        field[content.len()] = code::END;
    }
}
