//! Getting to know what servers offer only to clients that can be asked, before the first of them reads a list.

use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::timeout;
use trunkline_model::{Call, Fault, Kind, Operation};

use crate::view::{Current, View};

/// How long the first client of a kind waits for servers that have to be asked on its behalf.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long it then waits for the catalog to show what they said.
const CATALOG: Duration = Duration::from_secs(2);

/// Whether a call needs the lists as clients like its caller see them.
pub(crate) fn concerns(call: &Call) -> bool {
    let lists = matches!(
        call.operation,
        Operation::ListTools(None)
            | Operation::ListPrompts(None)
            | Operation::ListResources(None)
            | Operation::ListTemplates(None)
            | Operation::ListSkills(None)
    );
    lists && !call.caller.offers.is_none()
}

/// Whether a call failed because of a name that only such clients know, perhaps.
pub(crate) fn might_help(call: &Call, fault: &Fault) -> bool {
    !call.caller.offers.is_none() && matches!(fault.kind, Kind::UnknownName(_) | Kind::ResourceNotFound(_))
}

/// Asks the servers that have not been asked yet, and waits, within bounds, until the catalog of the view shows what
/// they said.
pub(crate) async fn make(view: &View, now: &Current, call: &Call) {
    let members = now.catalog.servers.iter().filter_map(|(number, _)| now.fleet.upstreams.get(*number));
    join_all(members.map(|upstream| upstream.look_for(call.caller.offers, PATIENCE))).await;
    let mut built = view.built.subscribe();
    let shown = async {
        loop {
            built.mark_unchanged();
            if is_current(&view.current.load()) || built.changed().await.is_err() {
                return;
            }
        }
    };
    let _ = timeout(CATALOG, shown).await;
}

/// Whether the catalog was made from what its servers offer now.
fn is_current(now: &Current) -> bool {
    now.catalog.made_from.iter().all(|(number, made_from)| {
        let offer = now.fleet.upstreams.get(*number).map(|upstream| upstream.offer().borrow().clone());
        match (offer.flatten(), made_from) {
            (Some(offer), Some(made_from)) => std::sync::Arc::ptr_eq(&offer, made_from),
            (None, None) => true,
            _ => false,
        }
    })
}
