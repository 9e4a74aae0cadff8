//! Times as people read them.

use std::time::Duration;

/// A length of time for people.
pub(crate) fn short(time: Duration) -> String {
    let millis = time.as_millis();
    if millis < 10_000 { format!("{millis} ms") } else { format!("{:.1} s", time.as_secs_f64()) }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::short;

    #[test]
    fn short_waits_are_milliseconds() {
        assert_eq!(short(Duration::from_micros(412_300)), "412 ms");
        assert_eq!(short(Duration::from_millis(12_340)), "12.3 s");
    }
}
