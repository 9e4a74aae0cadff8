//! How long HTTP requests take, by method, route and status.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Unit;

use super::buckets::{Buckets, Observed};
use super::sharded::Sharded;
use super::tools::OTHER;

/// The statuses a gateway answers with; any other is counted under `other`.
const STATUSES: [(u16, &str); 23] = [
    (200, "200"),
    (202, "202"),
    (204, "204"),
    (302, "302"),
    (304, "304"),
    (400, "400"),
    (401, "401"),
    (403, "403"),
    (404, "404"),
    (405, "405"),
    (406, "406"),
    (408, "408"),
    (409, "409"),
    (411, "411"),
    (413, "413"),
    (415, "415"),
    (421, "421"),
    (429, "429"),
    (431, "431"),
    (500, "500"),
    (502, "502"),
    (503, "503"),
    (504, "504"),
];

/// One series per status, made when it is first needed: each takes a KiB, and hardly any route answers with all of them.
type Series = [OnceLock<Box<Sharded<Buckets>>>; STATUSES.len() + 1];

/// The series of one HTTP method and route. Cheap to clone; recording takes no lock.
#[derive(Clone, Debug)]
pub struct RouteHandle(Arc<Series>);

impl RouteHandle {
    /// Counts one answered request.
    pub fn record(&self, status: u16, duration: Duration) {
        let slot = STATUSES.binary_search_by_key(&status, |known| known.0).unwrap_or(STATUSES.len());
        self.0[slot].get_or_init(Box::default).mine().observe(duration);
    }
}

/// The series of all routes.
#[derive(Debug, Default)]
pub(super) struct Routes(Mutex<BTreeMap<(&'static str, &'static str), RouteHandle>>);

impl Routes {
    pub(super) fn handle(&self, method: &'static str, route: &'static str) -> RouteHandle {
        let mut routes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        routes.entry((method, route)).or_insert_with(|| RouteHandle(Arc::default())).clone()
    }
}

impl Collector for Routes {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let routes = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let mut durations = encoder.encode_descriptor(
            "mcp_http_request_duration",
            "HTTP requests until their answer began.",
            Some(&Unit::Seconds),
            MetricType::Histogram,
        )?;
        for ((method, route), handle) in &routes {
            let statuses = STATUSES.iter().map(|known| known.1).chain([OTHER]);
            for (status, series) in statuses.zip(handle.0.iter()) {
                let Some(series) = series.get() else { continue };
                let labels = [("method", *method), ("route", *route), ("status", status)];
                series.all().collect::<Observed>().encode(durations.encode_family(&labels)?)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_known_statuses_are_in_order_and_named_after_themselves() {
        assert!(super::STATUSES.is_sorted());
        assert!(super::STATUSES.iter().all(|(number, name)| number.to_string() == *name));
    }
}
