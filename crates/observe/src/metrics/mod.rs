//! Counters, gauges and histograms, and the text in which they are read.
//!
//! A caller obtains a handle once, when a catalog or an upstream is built, and then records through it: a few relaxed
//! additions, no lock and no hashing. Label sets are bounded: names come from a configuration or a catalog, never from
//! a request, and what exceeds a bound is counted under `other`.

mod buckets;
mod exposition;
mod gateway;
mod http;
mod limits;
mod methods;
mod runtime;
mod sharded;
mod tools;
mod upstreams;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;

pub use exposition::{Format, negotiate};
pub use gateway::{Gateway, Held, Kind, Level};
pub use http::RouteHandle;
pub use limits::{Crowd, Crowds, LimitHandle};
pub use methods::MethodHandle;
pub use tools::{Outcome, ToolHandle};
pub use upstreams::{Again, CircuitState, Era, RunningChild, UpstreamHandle};

/// Every metric of one gateway.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    tools: Arc<tools::Tools>,
    methods: Arc<methods::Methods>,
    routes: Arc<http::Routes>,
    upstreams: Arc<upstreams::Upstreams>,
    runtime: Arc<runtime::Runtime>,
    limits: Arc<limits::Limits>,
    crowds: Arc<Crowds>,
    gateway: Gateway,
}

impl Metrics {
    /// All metrics at zero, for a gateway of this `version`.
    pub fn new(version: &str) -> Self {
        let mut registry = Registry::default();
        let info = Info::new([("version", version.to_owned())]);
        registry.register("trunkline_build", "The version of this gateway", info);
        let gateway = Gateway::registered(&mut registry);
        let (tools, methods) = (Arc::<tools::Tools>::default(), Arc::<methods::Methods>::default());
        let (routes, upstreams) = (Arc::<http::Routes>::default(), Arc::<upstreams::Upstreams>::default());
        let runtime = Arc::<runtime::Runtime>::default();
        registry.register_collector(Box::new(Arc::clone(&runtime)));
        registry.register_collector(Box::new(Arc::clone(&tools)));
        registry.register_collector(Box::new(Arc::clone(&methods)));
        registry.register_collector(Box::new(Arc::clone(&routes)));
        registry.register_collector(Box::new(Arc::clone(&upstreams)));
        let (limits, crowds) = (Arc::<limits::Limits>::default(), Arc::<Crowds>::default());
        registry.register_collector(Box::new(Arc::clone(&limits)));
        registry.register_collector(Box::new(Arc::clone(&crowds)));
        Self { registry, tools, methods, routes, upstreams, runtime, limits, crowds, gateway }
    }

    /// The series of one tool, by upstream and exposed name. The same pair gives the same series. Beyond 10,000 tools
    /// the series `other`.
    pub fn tool(&self, upstream: &str, tool: &str) -> ToolHandle {
        self.tools.handle(upstream, tool)
    }

    /// The series of one MCP method. Beyond 64 methods the series `other`.
    pub fn method(&self, name: &str) -> MethodHandle {
        self.methods.handle(name)
    }

    /// The series of one HTTP method and route. Both are words of the program, never of a request.
    pub fn route(&self, method: &'static str, route: &'static str) -> RouteHandle {
        self.routes.handle(method, route)
    }

    /// The series of one upstream. They are shown as long as somebody holds a handle.
    pub fn upstream(&self, name: &str) -> UpstreamHandle {
        self.upstreams.handle(name)
    }

    /// Shows how many tasks live, as `tasks` counts them. The first one counts.
    pub fn show_tasks(&self, tasks: impl Fn() -> u64 + Send + Sync + 'static) {
        let _ = self.runtime.0.set(Box::new(tasks));
    }

    /// The series of one limit, by its name in the configuration. Beyond 1,000 limits the series `other`.
    pub fn limit(&self, name: &str) -> LimitHandle {
        self.limits.handle(name)
    }

    /// Where calls gather.
    pub fn crowds(&self) -> &Crowds {
        &self.crowds
    }

    /// What concerns the gateway as a whole.
    pub fn gateway(&self) -> &Gateway {
        &self.gateway
    }

    /// Everything as text.
    pub fn encode(&self, format: Format) -> String {
        exposition::encode(&self.registry, format)
    }
}
