//! Domain names as octets (RFC 1035 §3.1).

/// A name without compression, root label included; `None` when a label is empty, longer than 63 octets or not of ASCII, or the
/// whole is longer than 255 octets. A dot at the end changes nothing.
pub(crate) fn encode(name: &str) -> Option<Vec<u8>> {
    let name = name.strip_suffix('.').unwrap_or(name);
    let mut octets = Vec::with_capacity(name.len() + 2);
    for label in name.split('.') {
        if !(1..=63).contains(&label.len()) || !label.bytes().all(|byte| byte.is_ascii_graphic()) {
            return None;
        }
        octets.push(label.len() as u8);
        octets.extend(label.bytes());
    }
    octets.push(0);
    (octets.len() <= 255).then_some(octets)
}
