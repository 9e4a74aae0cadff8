//! The software Trunkline is measured beside, as people install it: what is at hand, how each is started, what it can.
//!
//! A peer is a file here that implements [`peer::Peer`], a line in [`ALL`], and something `bench/peers/install.sh`
//! puts into its folder. For a measurement: [`options::Options::at_hand`], then for each peer and each wire of its
//! claims [`peer::AtHand::command`] and [`call::first_answer`], and in each era it accepts calls of
//! [`peer::AtHand::tool`] at [`peer::AtHand::url`].

mod agentgateway;
pub(crate) mod call;
mod check;
mod fastmcp;
mod mcp_proxy_npm;
mod mcp_proxy_python;
mod nginx;
pub(crate) mod options;
mod other_build;
pub(crate) mod peer;
mod rmcp;
mod serve;
mod shelf;
mod supergateway;

pub(crate) use check::Check;
pub(crate) use serve::Serve;

/// All of them, in the order of tables.
const ALL: [&dyn peer::Peer; 8] = [
    &nginx::Nginx,
    &agentgateway::Agentgateway,
    &rmcp::Rmcp,
    &fastmcp::Fastmcp,
    &mcp_proxy_python::McpProxyPython,
    &mcp_proxy_npm::McpProxyNpm,
    &supergateway::Supergateway,
    &other_build::OtherBuild,
];

/// Starts one peer in the foreground.
pub(crate) fn serve(options: &Serve) -> anyhow::Result<()> {
    serve::run(options)
}

/// Lists the peers, or checks what they claim.
pub(crate) fn check(options: &Check) -> anyhow::Result<()> {
    check::run(options)
}

#[cfg(test)]
mod tests {
    use super::peer::Upstream;
    use super::*;

    #[test]
    fn names_are_unique_and_fit_the_command_line() {
        let mut names: Vec<_> = ALL.iter().map(|peer| peer.claims().name).collect();
        assert!(names.iter().all(|name| name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-')));
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), ALL.len());
    }

    #[test]
    fn every_peer_can_be_called_somehow() {
        for peer in ALL {
            let claims = peer.claims();
            assert!(!claims.wires.is_empty() && !claims.eras.is_empty(), "{claims:?}");
            assert!(
                claims
                    .progress
                    .iter()
                    .all(|(wire, era)| claims.wires.contains(wire) && claims.eras.contains(era)),
                "{claims:?}"
            );
            assert!(claims.path.starts_with('/'), "{claims:?}");
        }
    }

    #[test]
    fn a_peer_refuses_an_upstream_it_has_no_wire_to() {
        let folder = tempfile::tempdir().unwrap();
        let installed =
            peer::Installed { program: "/bin/false".into(), script: None, version: "1".to_owned() };
        let http = Upstream::Http(http::Uri::from_static("http://127.0.0.1:9/mcp"));
        let child = Upstream::Child(vec!["/bin/false".to_owned()]);
        for peer in ALL {
            for upstream in [&http, &child] {
                let stage = peer::Stage { port: 9, upstream, folder: folder.path() };
                let made = peer.command(&installed, stage).is_ok();
                assert_eq!(made, peer.claims().wires.contains(&upstream.wire()), "{peer:?}, {upstream:?}");
            }
        }
    }
}
