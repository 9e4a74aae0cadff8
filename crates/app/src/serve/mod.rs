//! `trunkline serve`: from a configuration to a gateway that runs, reloads and ends well.

mod listener;
mod panel;
mod phase;
mod reload;
mod signals;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use trunkline_config::{Limits, Loaded, Overrides, Settings};
use trunkline_gateway::Gateway;
use trunkline_observe::metrics::Metrics;
use trunkline_transport::front::host::Host;
use trunkline_transport::front::http;

use crate::config_file::{self, ConfigArgs};
use crate::environment::Environment;
use crate::stop::{Code, Stop};
use crate::terminal::Terminal;
use crate::{admin, assemble};

pub(crate) use phase::{Phase, Standing};
use reload::Reload;
pub(crate) use signals::{Signal, Signals};

/// How long calls that run may take to end once we are told to stop.
pub(crate) const DRAIN_DEADLINE: Duration = Duration::from_secs(10);

/// How long servers may take to end; what is left then is killed by the helper process.
pub(crate) const STOP_DEADLINE: Duration = Duration::from_secs(10);

/// Serves until told to stop.
pub(crate) fn run(
    args: &ConfigArgs,
    overrides: &Overrides,
    environment: &Environment,
    terminal: &Terminal,
) -> Result<Code, Stop> {
    let (path, loaded) = config_file::load(args, overrides.clone(), environment, terminal)?;
    let logs = assemble::logging(&loaded.settings, terminal)?;
    let reload = Reload { path, overrides: overrides.clone(), environment, logs: &logs };
    let runtime = assemble::many_threads()?;
    let ended = runtime.block_on(serve(loaded, &reload, terminal));
    runtime.shutdown_background();
    ended
}

/// What runs.
struct Running {
    gateway: Arc<Gateway>,
    metrics: Arc<Metrics>,
    standing: Arc<Standing>,
    front: JoinHandle<std::io::Result<()>>,
    stop_front: CancellationToken,
    stop_admin: CancellationToken,
    endpoint: SocketAddr,
    admin: Option<SocketAddr>,
}

async fn serve(loaded: Loaded, reload: &Reload<'_>, terminal: &Terminal) -> Result<Code, Stop> {
    // First of all, so that no signal ends us with children half started.
    let mut signals = Signals::listen()?;
    for note in &loaded.notes {
        tracing::warn!(hint = note.hint.as_deref(), "{note}");
    }
    let mut settings = loaded.settings;
    let mut running = start(&settings, reload.environment).await?;
    let mut announced = false;
    loop {
        let gateway = Arc::clone(&running.gateway);
        tokio::select! {
            () = gateway.settled(), if !announced => {
                announced = true;
                running.standing.enter(Phase::Ready);
                panel::announce(&gateway.sources(), running.endpoint, running.admin, terminal);
            }
            ended = &mut running.front => {
                gateway.stop().await;
                let why = match ended {
                    Ok(Ok(())) => "it was stopped".to_owned(),
                    Ok(Err(error)) => error.to_string(),
                    Err(panic) => panic.to_string(),
                };
                return Err(Stop::new(Code::FAILURE, format!("the MCP listener ended: {why}")));
            }
            signal = signals.next() => match signal {
                Signal::Reload => settings = reload.run(settings, &gateway, &running.metrics).await,
                Signal::Stop(_) => return Ok(end(running, signals).await),
            },
        }
    }
}

async fn start(settings: &Settings, environment: &Environment) -> Result<Running, Stop> {
    let listener = listener::bind(settings.listen, "listen", "--listen").await?;
    let endpoint = listener.local_addr()?;
    let admin = match settings.admin {
        Some(address) => Some(listener::bind(address, "admin.listen", "--admin-listen").await?),
        None => None,
    };
    let admin_address = admin.as_ref().map(tokio::net::TcpListener::local_addr).transpose()?;
    let tools = assemble::tools(settings, environment);
    let metrics: Arc<Metrics> = Arc::clone(&tools.metrics);
    let gateway = Gateway::start(settings.gateway.clone(), settings.upstreams.clone(), tools);
    let standing = Arc::<Standing>::default();
    let (stop_front, stop_admin) = (CancellationToken::new(), CancellationToken::new());
    if let Some(admin) = admin {
        let seen = admin::Seen {
            gateway: Arc::clone(&gateway),
            standing: Arc::clone(&standing),
            metrics: Arc::clone(&metrics),
            hosts: admin::Hosts::new(admin.local_addr()?, &settings.security.allowed_hosts),
            limits: settings.limits,
        };
        tokio::spawn(admin::serve(admin, Arc::new(seen), stop_admin.clone()));
    }
    let host: Arc<dyn Host> = Arc::<Gateway>::clone(&gateway);
    let options = front_options(settings);
    let front = tokio::spawn(http::serve(listener, host, options, Arc::clone(&metrics), stop_front.clone()));
    Ok(Running { gateway, metrics, standing, front, stop_front, stop_admin, endpoint, admin: admin_address })
}

fn front_options(settings: &Settings) -> http::Options {
    let Limits {
        body_bytes, sessions, session_idle, connections, streams, header_timeout, body_timeout, ..
    } = settings.limits;
    http::Options {
        allowed_hosts: settings.security.allowed_hosts.clone(),
        allowed_origins: settings.security.allowed_origins.clone(),
        body_bytes_max: body_bytes,
        header_timeout,
        body_timeout,
        connections_max: connections,
        sessions_max: sessions,
        session_idle,
        streams_max: streams,
    }
}

/// Drains and ends. A second signal ends the wait at once; the helper process then sees to the servers.
async fn end(running: Running, mut signals: Signals) -> Code {
    running.standing.enter(Phase::Draining);
    tracing::info!(deadline_s = DRAIN_DEADLINE.as_secs(), "stopping: calls that run may end");
    running.stop_front.cancel();
    let front = running.front;
    let gateway = running.gateway;
    let drained = async move {
        let abort = front.abort_handle();
        if timeout(DRAIN_DEADLINE, front).await.is_err() {
            tracing::warn!("some calls did not end in time");
            abort.abort();
        }
        if timeout(STOP_DEADLINE, gateway.stop()).await.is_err() {
            tracing::warn!("some servers did not end in time; they are killed");
        }
    };
    let hurried = async {
        loop {
            if let Signal::Stop(number) = signals.next().await {
                break number;
            }
        }
    };
    let code = tokio::select! {
        () = drained => Code::OK,
        number = hurried => Code::signal(number),
    };
    running.stop_admin.cancel();
    tracing::info!("stopped");
    code
}
