//! Options as they stand in a message (RFC 8415 §21.1): number, length, value, in any order.

use super::Silence;

/// Numbers of options (IANA, DHCPv6 option codes).
pub(super) mod code {
    pub(in crate::dhcp6) const CLIENT_ID: u16 = 1;
    pub(in crate::dhcp6) const SERVER_ID: u16 = 2;
    pub(in crate::dhcp6) const IA_NA: u16 = 3;
    pub(in crate::dhcp6) const IA_TA: u16 = 4;
    pub(in crate::dhcp6) const ADDRESS: u16 = 5;
    pub(in crate::dhcp6) const REQUESTED: u16 = 6;
    pub(in crate::dhcp6) const PREFERENCE: u16 = 7;
    pub(in crate::dhcp6) const RELAY_MESSAGE: u16 = 9;
    pub(in crate::dhcp6) const AUTHENTICATION: u16 = 11;
    pub(in crate::dhcp6) const STATUS: u16 = 13;
    pub(in crate::dhcp6) const RAPID_COMMIT: u16 = 14;
    pub(in crate::dhcp6) const USER_CLASS: u16 = 15;
    pub(in crate::dhcp6) const INTERFACE_ID: u16 = 18;
    pub(in crate::dhcp6) const RECONFIGURE_ACCEPT: u16 = 20;
    pub(in crate::dhcp6) const DNS: u16 = 23;
    pub(in crate::dhcp6) const DOMAIN: u16 = 24;
    pub(in crate::dhcp6) const IA_PD: u16 = 25;
    pub(in crate::dhcp6) const PREFIX: u16 = 26;
    /// RFC 5908.
    pub(in crate::dhcp6) const NTP: u16 = 56;
    /// RFC 5970 §3.1.
    pub(in crate::dhcp6) const BOOT_FILE: u16 = 59;
}

/// The options of a message or of another option.
pub(super) struct Options<'a>(Vec<(u16, &'a [u8])>);

impl<'a> Options<'a> {
    /// Reads all of `field`.
    pub(super) fn read(mut field: &'a [u8]) -> Result<Self, Silence> {
        let mut options = Vec::new();
        while let Some((&[a, b, c, d], rest)) = field.split_first_chunk() {
            let length = usize::from(u16::from_be_bytes([c, d]));
            let (value, rest) = rest.split_at_checked(length).ok_or(Silence::Malformed)?;
            options.push((u16::from_be_bytes([a, b]), value));
            field = rest;
        }
        if field.is_empty() { Ok(Self(options)) } else { Err(Silence::Malformed) }
    }

    /// The values of an option, in their order.
    pub(super) fn all(&self, code: u16) -> impl Iterator<Item = &'a [u8]> + '_ {
        self.0.iter().filter(move |(known, _)| *known == code).map(|(_, value)| *value)
    }

    /// The value of an option that may be there once.
    pub(super) fn one(&self, code: u16) -> Result<Option<&'a [u8]>, Silence> {
        let mut values = self.all(code);
        let first = values.next();
        if values.next().is_some() { Err(Silence::Malformed) } else { Ok(first) }
    }

    /// Numbers and values.
    pub(super) fn iter(&self) -> impl Iterator<Item = (u16, &'a [u8])> + '_ {
        self.0.iter().copied()
    }
}

/// Appends an option to `field`. Values come from here or from a message, so that their length fits 16 bits.
pub(super) fn write(field: &mut Vec<u8>, code: u16, value: &[u8]) {
    field.extend(code.to_be_bytes());
    field.extend((value.len() as u16).to_be_bytes());
    field.extend(value);
}

/// Appends a status code without text (RFC 8415 §21.13).
pub(super) fn write_status(field: &mut Vec<u8>, status: u16) {
    write(field, code::STATUS, &status.to_be_bytes());
}
