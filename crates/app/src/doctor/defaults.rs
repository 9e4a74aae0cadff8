//! Whether the defaults that keep a person safe still hold.

use std::net::SocketAddr;
use std::path::Path;

use trunkline_config::{Overrides, Settings};

use crate::config_file;
use crate::environment::Environment;

/// One default and how it is.
pub(crate) struct Check {
    /// What is looked at.
    pub(super) name: &'static str,
    /// Whether it is as it should be.
    pub(super) ok: bool,
    /// How it is, and what to do about it.
    pub(super) detail: String,
}

/// Looks at listening addresses, the file and what is written in it.
pub(crate) fn defaults(settings: &Settings, path: &Path, environment: &Environment) -> Vec<Check> {
    let literal = config_file::has_literal_secret(path, Overrides::default(), environment);
    let open = config_file::is_world_readable(path);
    let file = match (open, literal) {
        (false, _) => "only you and your group may read the configuration".to_owned(),
        (true, false) => "everybody may read the configuration; there is no secret in it".to_owned(),
        (true, true) => format!("everybody may read the configuration; chmod 600 {}", path.display()),
    };
    let secrets = if literal {
        "a credential is written out; use ${NAME} and keep it in the environment".to_owned()
    } else {
        "no credential is written out".to_owned()
    };
    vec![
        address("endpoint", Some(settings.listen)),
        address("admin", settings.admin),
        Check { name: "file permissions", ok: !(open && literal), detail: file },
        Check { name: "secrets", ok: !literal, detail: secrets },
        faults(settings),
    ]
}

fn faults(settings: &Settings) -> Check {
    let (rules, control) = (settings.faults.rules.len(), settings.faults.control);
    let detail = match (rules, control) {
        (0, false) => "none are injected on purpose".to_owned(),
        (0, true) => "programs on this machine may have some injected (faults.control)".to_owned(),
        _ => format!(
            "{rules} rules inject some on purpose: calls will fail; remove `faults` when you are done"
        ),
    };
    Check { name: "faults", ok: rules == 0 && !control, detail }
}

fn address(name: &'static str, address: Option<SocketAddr>) -> Check {
    let Some(address) = address else {
        return Check { name, ok: true, detail: "off".to_owned() };
    };
    let ok = address.ip().is_loopback();
    let whom =
        if ok { "only this machine reaches it" } else { "other machines reach it, without credentials" };
    Check { name, ok, detail: format!("{address}: {whom}") }
}

#[cfg(test)]
mod tests {
    use super::address;

    #[test]
    fn an_address_beyond_loopback_is_pointed_out() {
        assert!(address("endpoint", Some("127.0.0.1:1".parse().unwrap())).ok);
        assert!(address("admin", None).ok);
        assert!(!address("endpoint", Some("0.0.0.0:1".parse().unwrap())).ok);
    }
}
