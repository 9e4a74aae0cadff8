//! The `tracestate` header: checked, never understood.

/// Longest header passed on. The recommendation demands at least 512 characters.
const STATE_BYTES_MAX: usize = 512;

/// Most members, by the recommendation.
const MEMBERS_MAX: usize = 32;

/// The header, if it can be passed on.
pub(super) fn valid(header: &str) -> Option<&str> {
    let header = header.trim_matches([' ', '\t']);
    let members = || {
        header.split(',').map(|member| member.trim_matches([' ', '\t'])).filter(|member| !member.is_empty())
    };
    let count = members().count();
    let fits = header.len() <= STATE_BYTES_MAX && (1..=MEMBERS_MAX).contains(&count);
    (fits && members().all(is_member)).then_some(header)
}

fn is_member(member: &str) -> bool {
    member.split_once('=').is_some_and(|(key, value)| is_key(key) && is_value(value))
}

/// `key`, or `tenant@system`.
fn is_key(key: &str) -> bool {
    let part = |text: &str, bytes_max: usize, digit_first: bool| {
        let first = text
            .bytes()
            .next()
            .is_some_and(|c| c.is_ascii_lowercase() || (digit_first && c.is_ascii_digit()));
        first
            && text.len() <= bytes_max
            && text.bytes().all(|c| matches!(c, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-' | b'*' | b'/'))
    };
    match key.split_once('@') {
        Some((tenant, system)) => part(tenant, 241, true) && part(system, 14, false),
        None => part(key, 256, false),
    }
}

/// Printable characters without comma and equals sign.
fn is_value(value: &str) -> bool {
    let printable = value.bytes().all(|c| matches!(c, b' '..=b'~') && c != b',' && c != b'=');
    printable && !value.is_empty() && value.len() <= 256
}
