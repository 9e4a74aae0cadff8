//! What runs: the gateway, its front and its admin listener, and how they are changed while they do.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use trunkline_config::{Limits, Settings};
use trunkline_gateway::Gateway;
use trunkline_observe::metrics::Metrics;
use trunkline_transport::front::host::Host;
use trunkline_transport::front::http::{self, Server, Sharing};

use super::inherited::Inherited;
use super::phase::Standing;
use super::pulse;
use super::supervisor::Supervisor;
use super::{descriptors, listener};
use crate::environment::Environment;
use crate::stop::Stop;
use crate::{admin, assemble};

/// What runs.
pub(super) struct Running {
    pub(super) gateway: Arc<Gateway>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) standing: Arc<Standing>,
    pub(super) server: Arc<Server>,
    pub(super) supervisor: Arc<Supervisor>,
    endpoint: Mutex<SocketAddr>,
    admin: Mutex<Option<Admin>>,
}

/// The admin listener.
struct Admin {
    address: SocketAddr,
    seen: Arc<admin::Seen>,
    stop: CancellationToken,
}

impl Running {
    /// Starts everything. The servers start in the background.
    pub(super) fn start(
        settings: &Settings,
        inherited: Inherited,
        environment: &Environment,
    ) -> Result<Arc<Self>, Stop> {
        let (endpoint, sharing) = endpoint(settings, inherited.endpoint)?;
        let admin = admin(settings, inherited.admin)?;
        let tools = assemble::tools(settings, environment);
        let metrics: Arc<Metrics> = Arc::clone(&tools.metrics);
        metrics.gateway().set_configured(SystemTime::now());
        let gateway = Gateway::start(settings.gateway.clone(), settings.upstreams.clone(), tools);
        let (standing, supervisor) = (Arc::<Standing>::default(), Arc::new(Supervisor::of(environment)));
        standing.require(settings.readiness.require_servers.clone());
        let host: Arc<dyn Host> = Arc::<Gateway>::clone(&gateway);
        let server = Arc::new(Server::new(host, front_options(settings), Arc::clone(&metrics)));
        let endpoint = Mutex::new(server.open(endpoint, sharing)?);
        let running = Arc::new(Self {
            gateway,
            metrics,
            standing,
            server,
            supervisor,
            endpoint,
            admin: Mutex::default(),
        });
        if let Some(listener) = admin {
            running.open_admin(settings, listener)?;
        }
        tokio::spawn(pulse::run(
            Arc::clone(&running.standing),
            Arc::clone(&running.gateway),
            Arc::clone(&running.metrics),
            Arc::clone(&running.supervisor),
        ));
        Ok(running)
    }

    /// Where the MCP endpoint is.
    pub(super) fn endpoint(&self) -> SocketAddr {
        *self.endpoint.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where the admin listener is.
    pub(super) fn admin(&self) -> Option<SocketAddr> {
        self.admin.lock().unwrap_or_else(PoisonError::into_inner).as_ref().map(|admin| admin.address)
    }

    /// Serves at another address; returns the one that is to be left.
    pub(super) fn move_endpoint(&self, listener: TcpListener, sharing: Sharing) -> Option<SocketAddr> {
        match self.server.open(listener, sharing) {
            Ok(address) => {
                tracing::info!(endpoint = %address, "listening at another address");
                let mut endpoint = self.endpoint.lock().unwrap_or_else(PoisonError::into_inner);
                Some(std::mem::replace(&mut *endpoint, address))
            }
            Err(error) => {
                tracing::error!(%error, "the new listener cannot be used; the old address stays");
                None
            }
        }
    }

    /// Moves the admin listener where its address differs, and tells it what else does.
    pub(super) fn move_admin(&self, old: &Settings, new: &Settings, listener: Option<TcpListener>) {
        if let Some(listener) = listener {
            if let Err(stop) = self.open_admin(new, listener) {
                tracing::error!(error = stop.message.as_deref(), "the new admin listener cannot be used");
            }
        } else if new.admin.is_none() && old.admin.is_some() {
            self.close_admin();
        } else if let Some(admin) = &*self.admin.lock().unwrap_or_else(PoisonError::into_inner) {
            admin.seen.reconfigure(hosts(admin.address, new), new.limits);
        }
    }

    fn open_admin(&self, settings: &Settings, listener: TcpListener) -> Result<(), Stop> {
        let address = listener.local_addr()?;
        let seen = Arc::new(admin::Seen::new(
            Arc::clone(&self.gateway),
            Arc::clone(&self.standing),
            Arc::clone(&self.metrics),
            Arc::clone(&self.server),
        ));
        seen.reconfigure(hosts(address, settings), settings.limits);
        let stop = CancellationToken::new();
        tokio::spawn(admin::serve(listener, Arc::clone(&seen), stop.clone()));
        let mut admin = self.admin.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(before) = admin.replace(Admin { address, seen, stop }) {
            tracing::info!(admin = %address, "health and metrics are at another address");
            before.stop.cancel();
        }
        Ok(())
    }

    /// Health and metrics are told to nobody any more.
    pub(super) fn close_admin(&self) {
        if let Some(admin) = self.admin.lock().unwrap_or_else(PoisonError::into_inner).take() {
            admin.stop.cancel();
        }
    }
}

fn hosts(address: SocketAddr, settings: &Settings) -> admin::Hosts {
    admin::Hosts::new(address, &settings.security.allowed_hosts)
}

fn endpoint(
    settings: &Settings,
    inherited: Option<std::net::TcpListener>,
) -> Result<(TcpListener, Sharing), Stop> {
    if let Some(listener) = inherited {
        return Ok((adopt(listener)?, Sharing::Handed));
    }
    let sharing = if settings.reuse_port { Sharing::Together } else { Sharing::Alone };
    Ok((listener::bind(settings.listen, settings.reuse_port, "listen", "--listen")?, sharing))
}

fn admin(settings: &Settings, inherited: Option<std::net::TcpListener>) -> Result<Option<TcpListener>, Stop> {
    match (inherited, settings.admin) {
        (Some(listener), Some(_)) => Ok(Some(adopt(listener)?)),
        (_, None) => Ok(None),
        (None, Some(address)) => {
            Ok(Some(listener::bind(address, settings.reuse_port, "admin.listen", "--admin-listen")?))
        }
    }
}

fn adopt(listener: std::net::TcpListener) -> Result<TcpListener, Stop> {
    listener.set_nonblocking(true)?;
    Ok(TcpListener::from_std(listener)?)
}

/// What the front is told of the settings.
pub(super) fn front_options(settings: &Settings) -> http::Options {
    let Limits {
        body_bytes, sessions, session_idle, connections, streams, header_timeout, body_timeout, ..
    } = settings.limits;
    let usual = http::Options::default();
    let share = |given: Option<usize>, usual: http::Share| {
        given.map_or(usual, |most| http::Share { most, loopback: true })
    };
    http::Options {
        allowed_hosts: settings.security.allowed_hosts.clone(),
        allowed_origins: settings.security.allowed_origins.clone(),
        body_bytes_max: body_bytes,
        header_timeout,
        body_timeout,
        connections_max: descriptors::connections(connections),
        connections_per_address: share(
            settings.limits.connections_per_address,
            usual.connections_per_address,
        ),
        sessions_max: sessions,
        sessions_per_address: share(settings.limits.sessions_per_address, usual.sessions_per_address),
        session_idle,
        streams_max: streams,
        streams_per_address: share(settings.limits.streams_per_address, usual.streams_per_address),
    }
}
