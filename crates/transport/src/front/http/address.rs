//! How much one address may take of what there is for all.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use trunkline_model::Place;

/// How much one address may have at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    /// Most of it.
    pub most: usize,
    /// Whether that holds for loopback addresses as well. An outsider never has one of those, but everybody behind a proxy
    /// on this machine has.
    pub loopback: bool,
}

impl Share {
    /// The bound for an address, if there is one.
    pub(crate) fn of(self, peer: IpAddr) -> Option<usize> {
        (self.loopback || !peer.to_canonical().is_loopback()).then_some(self.most)
    }
}

/// Counts by address. Those that have nothing are not kept.
#[derive(Debug)]
pub(crate) struct Addresses(Mutex<Table>);

#[derive(Debug)]
struct Table {
    share: Share,
    held: HashMap<Place, usize, foldhash::fast::RandomState>,
}

impl Addresses {
    pub(crate) fn new(share: Share) -> Arc<Self> {
        Arc::new(Self(Mutex::new(Table { share, held: HashMap::default() })))
    }

    /// Changes the share. Nobody who has more loses any.
    pub(crate) fn set(&self, share: Share) {
        self.lock().share = share;
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One more for an address; `None` when it has as many as it may.
    pub(crate) fn take(self: &Arc<Self>, peer: IpAddr) -> Option<Taken> {
        let mut table = self.lock();
        let Some(most) = table.share.of(peer) else { return Some(Taken(None)) };
        let place = Place::of(Some(peer));
        let count = table.held.entry(place).or_default();
        if *count >= most {
            return None;
        }
        *count += 1;
        drop(table);
        Some(Taken(Some((Arc::clone(self), place))))
    }
}

/// One of what an address has, until it is dropped. Where nothing is counted it holds nothing.
#[derive(Debug)]
#[must_use = "it counts only as long as this is kept"]
pub(crate) struct Taken(Option<(Arc<Addresses>, Place)>);

impl Drop for Taken {
    fn drop(&mut self) {
        let Some((addresses, place)) = &self.0 else { return };
        let mut table = addresses.lock();
        if let Some(count) = table.held.get_mut(place) {
            *count -= 1;
            if *count == 0 {
                table.held.remove(place);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn an_address_has_its_share_and_nobody_else_suffers_for_it() {
        let addresses = Addresses::new(Share { most: 2, loopback: false });
        let held = [addresses.take(of("192.0.2.1")).unwrap(), addresses.take(of("192.0.2.1")).unwrap()];
        assert!(addresses.take(of("192.0.2.1")).is_none());
        assert!(addresses.take(of("192.0.2.2")).is_some());
        drop(held);
        assert!(addresses.take(of("192.0.2.1")).is_some());
        assert!(addresses.lock().held.is_empty(), "nobody is kept who has nothing");
    }

    #[test]
    fn loopback_is_counted_only_when_the_operator_says_so() {
        for (loopback, counted) in [(false, false), (true, true)] {
            let addresses = Addresses::new(Share { most: 1, loopback });
            let _held = addresses.take(of("127.0.0.1")).unwrap();
            assert_eq!(addresses.take(of("::ffff:127.0.0.1")).is_none(), counted);
        }
    }
}
