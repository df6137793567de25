//! Who holds how many connections: no address so many that none are left for others. Those of one IPv6 subscriber count as
//! one address, and a proxy's connections are everybody's. Knows no sockets.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use crate::domain::throttle::network;

/// All that hold connections.
pub(super) struct Crowd {
    most: usize,
    proxies: Arc<[IpAddr]>,
    held: Mutex<HashMap<IpAddr, usize>>,
}

/// A connection that counts until this is dropped.
pub(super) struct Guest {
    crowd: Arc<Crowd>,
    of: Option<IpAddr>,
}

impl Crowd {
    /// One in which each address may have at most so many, but for the proxies.
    pub(super) fn of(most: usize, proxies: Arc<[IpAddr]>) -> Arc<Self> {
        Arc::new(Self {
            most,
            proxies,
            held: Mutex::default(),
        })
    }

    /// Lets a connection in, unless its address has as many as it may.
    pub(super) fn admit(self: &Arc<Self>, peer: IpAddr) -> Option<Guest> {
        let crowd = self.clone();
        if self.proxies.contains(&peer.to_canonical()) {
            return Some(Guest { crowd, of: None });
        }
        let address = network(peer);
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let count = held.entry(address).or_default();
        if *count >= self.most {
            return None;
        }
        *count = count.saturating_add(1);
        Some(Guest {
            crowd,
            of: Some(address),
        })
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        let Some(address) = self.of else { return };
        let mut held = self.crowd.held.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = held.get_mut(&address) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                held.remove(&address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_holds_its_part_and_keeps_none_of_others() {
        let parse = |text: &str| text.parse::<IpAddr>().unwrap();
        let crowd = Crowd::of(2, Arc::new([parse("192.0.2.9")]));
        let all = |text: &str, count: usize| {
            (0..count)
                .filter_map(|_| crowd.admit(parse(text)))
                .collect::<Vec<_>>()
        };
        let mut guests = all("192.0.2.1", 3);
        assert_eq!(guests.len(), 2);
        assert!(
            crowd.admit(parse("::ffff:192.0.2.1")).is_none(),
            "written otherwise"
        );
        assert_eq!(all("192.0.2.2", 1).len(), 1);
        assert_eq!(all("192.0.2.9", 10).len(), 10, "a proxy's are everybody's");
        guests.pop();
        assert!(crowd.admit(parse("192.0.2.1")).is_some(), "one has ended");
        let subscriber = [
            crowd.admit(parse("2001:db8::1")),
            crowd.admit(parse("2001:db8::2")),
        ];
        assert!(crowd.admit(parse("2001:db8::3")).is_none());
        drop((guests, subscriber));
        assert!(crowd.held.lock().unwrap().is_empty());
    }
}
