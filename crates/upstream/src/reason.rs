//! Server text in our own words: what may be shown of an error that an upstream wrote.

use trunkline_protocol::bridge;

/// Characters of a reason that are kept. It stands on every list of every client, and a server may write 16 MiB.
const REASON_CHARS_MAX: usize = 200;

/// At most [`REASON_CHARS_MAX`] characters of `text`, without control characters.
pub(crate) fn printable(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(REASON_CHARS_MAX).collect()
}

/// The message in a server's error object, fit to be shown; empty when it has none.
pub(crate) fn said(error: &[u8]) -> String {
    bridge::message_of(error).map(|text| printable(&text)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_server_says_of_an_error_is_cut_and_made_printable() {
        let error = format!("{{\"code\":-1,\"message\":\"a\\u001b[2J\\n{}\"}}", "é".repeat(5000));
        let shown = said(error.as_bytes());
        assert_eq!(shown.chars().count(), REASON_CHARS_MAX);
        assert!(shown.starts_with("a[2Jé"), "{shown}");
    }
}
