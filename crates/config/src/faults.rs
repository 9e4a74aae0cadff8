//! Rules that are set for a while, as they come to the admin listener: a small document of its own.

use std::time::Duration;

use trunkline_upstream::faults::{LEASE_MAX, Rule};

use crate::check::Check;
use crate::fields::Fields;
use crate::formats;
use crate::problem::Problems;
use crate::resolve::faults::rules;
use crate::source::Source;
use crate::tree::Spot;

/// How long rules stay when nobody says it.
const LEASE: Duration = Duration::from_secs(30);

/// Rules, and how long they stay unless they are set again.
#[derive(Clone, Debug)]
pub struct Lease {
    /// The rules.
    pub rules: Vec<Rule>,
    /// How long they stay.
    pub lease: Duration,
}

/// Reads `{"lease": "30s", "rules": [...]}`; rules are written as in the configuration.
///
/// # Errors
/// Everything that is wrong with it.
pub fn lease(source: &Source) -> Result<Lease, Problems> {
    let mut check = Check::new(source, Vec::new());
    let mut read = Lease { rules: Vec::new(), lease: LEASE };
    match formats::parse(source) {
        Ok(root) => {
            if let Some(mut fields) = Fields::open(&root, "lease", &mut check) {
                if let Some(node) = fields.take("lease", &mut check)
                    && let Some(lease) = check.duration(node)
                {
                    read.lease = lease;
                    if lease > LEASE_MAX {
                        let message = format!("longer than {} minutes", LEASE_MAX.as_secs() / 60);
                        check.problem(&node.spot, message, "set the rules again before the lease ends");
                    }
                }
                match fields.take("rules", &mut check) {
                    Some(node) => read.rules = rules(node, &mut check),
                    None => check.problem(&root.spot, "there are no rules", "`rules: []` takes all away"),
                }
                fields.finish(&mut check);
            }
        }
        Err(found) => {
            for syntax in found {
                check.problem(&Spot::text(syntax.range), syntax.message, "");
            }
        }
    }
    if check.failed() { Err(Problems::new(check.into_list())) } else { Ok(read) }
}
