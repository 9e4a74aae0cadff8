//! The two text formats in which metrics are read.

use prometheus_client::encoding::text;
use prometheus_client::registry::Registry;

/// A text format.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// OpenMetrics 1.0.
    OpenMetrics,
    /// Prometheus text format 0.0.4, which every reader knows.
    #[default]
    Text,
}

impl Format {
    /// The media type of an answer in this format.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Self::Text => "text/plain; version=0.0.4; charset=utf-8",
        }
    }
}

/// The format an `Accept` header wants most, and its media type. A reader that wants neither gets the older format.
pub fn negotiate(accept: Option<&str>) -> (Format, &'static str) {
    let (mut best, mut best_weight) = (Format::Text, 0);
    for range in accept.unwrap_or_default().split(',') {
        let Some((format, weight)) = wanted(range) else { continue };
        let better = weight > best_weight || (weight == best_weight && format == Format::OpenMetrics);
        if weight > 0 && better {
            (best, best_weight) = (format, weight);
        }
    }
    (best, best.content_type())
}

/// The format a media range names, and its weight in thousandths.
fn wanted(range: &str) -> Option<(Format, u32)> {
    let mut parts = range.split(';').map(str::trim);
    let format = match parts.next()? {
        media if media.eq_ignore_ascii_case("application/openmetrics-text") => Format::OpenMetrics,
        media if media.eq_ignore_ascii_case("text/plain") => Format::Text,
        _ => return None,
    };
    let mut weight = 1000;
    for (name, value) in parts.filter_map(|part| part.split_once('=')) {
        match name.trim() {
            "q" => weight = thousandths(value.trim())?,
            "version" if !speaks(format, value.trim()) => return None,
            _ => {}
        }
    }
    Some((format, weight))
}

fn speaks(format: Format, version: &str) -> bool {
    match format {
        Format::OpenMetrics => matches!(version, "1.0.0" | "0.0.1"),
        Format::Text => version == "0.0.4",
    }
}

fn thousandths(weight: &str) -> Option<u32> {
    let weight: f64 = weight.parse().ok()?;
    #[expect(clippy::cast_sign_loss, reason = "the range is checked")]
    (0.0..=1.0).contains(&weight).then_some((weight * 1000.0).round() as u32)
}

/// Everything registered, as text.
pub(super) fn encode(registry: &Registry, format: Format) -> String {
    let mut open = String::new();
    text::encode(&mut open, registry).expect("writing to a string cannot fail");
    match format {
        Format::OpenMetrics => open,
        Format::Text => older(&open),
    }
}

/// The same in the older format: there a counter's family has the name of its samples, `info` is a gauge, and units
/// and the end are not told.
fn older(open: &str) -> String {
    let mut out = String::with_capacity(open.len());
    let mut help = "";
    for line in open.lines() {
        if let Some(text) = line.strip_prefix("# HELP ") {
            help = text;
        } else if let Some((name, kind)) = line.strip_prefix("# TYPE ").and_then(|text| text.split_once(' '))
        {
            let (suffix, kind) = match kind {
                "counter" => ("_total", "counter"),
                "info" => ("_info", "gauge"),
                "unknown" => ("", "untyped"),
                other => ("", other),
            };
            let text = help.split_once(' ').map_or("", |(_, text)| text);
            for part in ["# HELP ", name, suffix, " ", text, "\n# TYPE ", name, suffix, " ", kind, "\n"] {
                out.push_str(part);
            }
        } else if !line.starts_with('#') {
            out.push_str(line);
            out.push('\n');
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::{Format, negotiate};

    #[test]
    fn the_format_wanted_most_is_chosen() {
        let prometheus = "application/openmetrics-text;version=1.0.0;q=0.5,application/openmetrics-text;version=0.0.1;\
                          q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2";
        for (accept, format) in [
            (None, Format::Text),
            (Some(""), Format::Text),
            (Some("*/*"), Format::Text),
            (Some("text/html"), Format::Text),
            (Some(prometheus), Format::OpenMetrics),
            (Some("text/plain, application/openmetrics-text"), Format::OpenMetrics),
            (Some("application/openmetrics-text; q=0, */*"), Format::Text),
            (Some("application/openmetrics-text;version=2.0.0"), Format::Text),
            (Some("application/openmetrics-text;q=0.2,text/plain;q=0.3"), Format::Text),
            (Some("Application/OpenMetrics-Text; version=1.0.0; charset=utf-8"), Format::OpenMetrics),
            (Some("application/openmetrics-text;q=nonsense"), Format::Text),
        ] {
            assert_eq!(negotiate(accept), (format, format.content_type()), "{accept:?}");
        }
    }
}
