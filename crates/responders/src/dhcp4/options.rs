//! Options as they stand in a message (RFC 2131 §4.1, RFC 2132, RFC 3396).

use super::Silence;
use std::collections::BTreeMap;

/// Numbers of options (IANA, BOOTP vendor extensions and DHCP options).
pub(super) mod code {
    pub(in crate::dhcp4) const PAD: u8 = 0;
    pub(in crate::dhcp4) const SUBNET_MASK: u8 = 1;
    pub(in crate::dhcp4) const ROUTER: u8 = 3;
    pub(in crate::dhcp4) const DNS: u8 = 6;
    pub(in crate::dhcp4) const HOST_NAME: u8 = 12;
    pub(in crate::dhcp4) const DOMAIN_NAME: u8 = 15;
    pub(in crate::dhcp4) const INTERFACE_MTU: u8 = 26;
    pub(in crate::dhcp4) const BROADCAST_ADDRESS: u8 = 28;
    pub(in crate::dhcp4) const REQUESTED_ADDRESS: u8 = 50;
    pub(in crate::dhcp4) const LEASE_TIME: u8 = 51;
    pub(in crate::dhcp4) const OVERLOAD: u8 = 52;
    pub(in crate::dhcp4) const MESSAGE_TYPE: u8 = 53;
    pub(in crate::dhcp4) const SERVER_IDENTIFIER: u8 = 54;
    pub(in crate::dhcp4) const PARAMETER_REQUEST_LIST: u8 = 55;
    pub(in crate::dhcp4) const MESSAGE: u8 = 56;
    pub(in crate::dhcp4) const MAXIMUM_SIZE: u8 = 57;
    pub(in crate::dhcp4) const RENEWAL_TIME: u8 = 58;
    pub(in crate::dhcp4) const REBINDING_TIME: u8 = 59;
    pub(in crate::dhcp4) const CLIENT_IDENTIFIER: u8 = 61;
    pub(in crate::dhcp4) const TFTP_SERVER: u8 = 66;
    pub(in crate::dhcp4) const BOOT_FILE: u8 = 67;
    /// RFC 3004.
    pub(in crate::dhcp4) const USER_CLASS: u8 = 77;
    /// RFC 4039.
    pub(in crate::dhcp4) const RAPID_COMMIT: u8 = 80;
    /// RFC 3046.
    pub(in crate::dhcp4) const RELAY_INFORMATION: u8 = 82;
    /// RFC 3442.
    pub(in crate::dhcp4) const CLASSLESS_ROUTES: u8 = 121;
    /// RFC 5859.
    pub(in crate::dhcp4) const TFTP_SERVER_ADDRESS: u8 = 150;
    /// Options of iPXE itself, which no other client sends.
    pub(in crate::dhcp4) const IPXE: u8 = 175;
    /// The same content as [`CLASSLESS_ROUTES`] under the number that Windows asked for before there was an RFC.
    pub(in crate::dhcp4) const MICROSOFT_ROUTES: u8 = 249;
    pub(in crate::dhcp4) const END: u8 = 255;
}

/// The options of a message: number → value, the parts of one that occurs several times joined (RFC 3396 §5).
#[derive(Default)]
pub(super) struct Options(BTreeMap<u8, Vec<u8>>);

impl Options {
    /// Reads the options field and, where option 52 says so, `file` and `sname` after it.
    pub(super) fn read(field: &[u8], file: &[u8], sname: &[u8]) -> Result<Self, Silence> {
        let mut options = Self::default();
        options.add(field)?;
        match options.get(code::OVERLOAD) {
            None => {}
            Some([1]) => options.add(file)?,
            Some([2]) => options.add(sname)?,
            Some([3]) => {
                options.add(file)?;
                options.add(sname)?;
            }
            Some(_) => return Err(Silence::Malformed),
        }
        Ok(options)
    }

    /// Adds the options of one field up to its end, whether option 255 marks it or not.
    fn add(&mut self, mut field: &[u8]) -> Result<(), Silence> {
        while let Some((&code, rest)) = field.split_first() {
            match code {
                code::PAD => field = rest,
                code::END => break,
                _ => {
                    let (&length, rest) = rest.split_first().ok_or(Silence::Malformed)?;
                    let (value, rest) = rest.split_at_checked(length.into()).ok_or(Silence::Malformed)?;
                    self.0.entry(code).or_default().extend_from_slice(value);
                    field = rest;
                }
            }
        }
        Ok(())
    }

    /// The value of an option.
    pub(super) fn get(&self, code: u8) -> Option<&[u8]> {
        self.0.get(&code).map(Vec::as_slice)
    }

    /// The value of an option of exactly `N` octets; another length is malformed.
    pub(super) fn fixed<const N: usize>(&self, code: u8) -> Result<Option<[u8; N]>, Silence> {
        self.get(code).map(|value| value.try_into().map_err(|_| Silence::Malformed)).transpose()
    }
}

/// Appends an option to `field`, in parts of at most 255 octets (RFC 3396 §6).
pub(super) fn write(field: &mut Vec<u8>, code: u8, value: &[u8]) {
    if value.is_empty() {
        field.extend([code, 0]);
    }
    for part in value.chunks(255) {
        field.extend([code, part.len() as u8]);
        field.extend(part);
    }
}

/// Octets that [`write`] appends.
pub(super) fn written_length(value: &[u8]) -> usize {
    value.len() + 2 * value.len().div_ceil(255).max(1)
}
