//! The gateway under measurement, put together as the program does it.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::sync::broadcast;
use tokio_util::sync::CancellationToken;
use trunkline_gateway::Gateway;
use trunkline_gateway::options::{Options, ServerRules};
use trunkline_observe::metrics::Metrics;
use trunkline_transport::back::HttpClient;
use trunkline_transport::front::host::Host;
use trunkline_transport::front::http;
use trunkline_upstream::{CHANGES_BACKLOG, Endpoint, Phase, Reach, Tools, Verdicts};

/// The prefix of the server's names, where it is not transparent.
const SERVER: &str = "tracker";

/// Starts a gateway in front of `server`; returns its address once it serves.
pub(crate) async fn start(server: SocketAddr, transparent: bool) -> SocketAddr {
    let metrics = Arc::new(Metrics::new("instructions"));
    let tools = Tools {
        environment: Arc::default(),
        shepherd: None,
        launch: None,
        faults: Arc::new(trunkline_upstream::faults::Faults::new(Arc::clone(&metrics))),
        http: HttpClient::new(),
        verdicts: Arc::new(Verdicts::open(None)),
        changes: broadcast::Sender::new(CHANGES_BACKLOG),
        metrics: Arc::clone(&metrics),
    };
    let endpoint = Endpoint { url: format!("http://{server}/mcp"), headers: Vec::new() };
    let upstream = trunkline_upstream::Options::new(SERVER, Reach::StreamableHttp(endpoint));
    let rules = ServerRules { transparent, ..ServerRules::new(SERVER) };
    let options = Options { servers: vec![rules], ..Options::default() };
    let gateway = Gateway::start(options, vec![upstream], tools);
    gateway.settled().await;
    let status = gateway.sources().remove(0).status;
    assert_eq!(status.phase, Phase::Ready, "the gateway does not reach the server");

    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("the loopback has free ports");
    let address = listener.local_addr().expect("it is bound");
    let host: Arc<dyn Host> = gateway;
    tokio::spawn(http::serve(listener, host, http::Options::default(), metrics, CancellationToken::new()));
    address
}
