//! What operators write, as what stands in an option: shared by both versions of DHCP.

/// The parts of a list.
pub(crate) fn parts(text: &str) -> impl Iterator<Item = &str> {
    text.split([',', ';', ' ']).map(str::trim).filter(|part| !part.is_empty())
}

/// A number of `width` octets, signed or not; `infinite` is the largest of four.
pub(crate) fn number(text: &str, width: u8) -> Option<Vec<u8>> {
    let number: i64 = if text == "infinite" { u32::MAX.into() } else { text.parse().ok()? };
    let bits = u32::from(width) * 8;
    let fits = number >= -(1 << (bits - 1)) && number < 1 << bits;
    fits.then(|| number.to_be_bytes()[8 - usize::from(width)..].to_vec())
}

/// Names between commas in the form of RFC 1035 §3.1, without compression.
pub(crate) fn domains(text: &str) -> Option<Vec<u8>> {
    let mut value = Vec::new();
    for name in parts(text) {
        value.extend(crate::name::encode(name)?);
    }
    Some(value)
}

/// Pairs of hexadecimal digits, perhaps between colons, perhaps behind `0x`.
pub(crate) fn octets(text: &str) -> Option<Vec<u8>> {
    let digits: String = text.strip_prefix("0x").unwrap_or(text).split([':', '-']).collect();
    if !digits.len().is_multiple_of(2) || !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return None;
    }
    let pair = |at: usize| u8::from_str_radix(&digits[at..at + 2], 16).ok();
    (0..digits.len()).step_by(2).map(pair).collect()
}

/// What an option of unknown kind holds: the addresses that the text is, if it is any, else octets, a number of as few octets as hold it, or
/// text.
pub(crate) fn any(text: &str, addresses: Option<Vec<u8>>) -> Vec<u8> {
    let has_octets = text.starts_with("0x") || text.contains(':');
    addresses
        .or_else(|| octets(text).filter(|_| has_octets))
        .or_else(|| {
            [1, 2, 4].into_iter().find_map(|width| number(text, width).filter(|_| !text.starts_with('-')))
        })
        .unwrap_or_else(|| text.as_bytes().to_vec())
}

/// Text without the braces and quotes that OVN's users write around lists and strings.
pub(crate) fn bare(text: &str) -> &str {
    text.trim().trim_matches(['{', '}', '"']).trim()
}
