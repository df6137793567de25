//! How often somebody may: a bucket that refills, for each address and for each device.
//!
//! An address pays for what proves nothing: a message that does not come or is no message, a signature that is not the
//! device's, a copy of what was said before, a new device that waits for an operator. Locks that prove who they are cost
//! their address nothing, so a hotel behind one address is served; a device pays for each check-in, so that one lock gone
//! mad, or its stolen key, is one lock's worth of load. Whoever has nothing left is told to come back, before anything is
//! computed for it.
//!
//! Memory is bounded: when too many are remembered, those that were not heard of lately are forgotten first.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

use latchkey_directive::DeviceId;

/// What a bucket holds, and how fast it refills.
#[derive(Clone, Copy, Debug)]
struct Rule {
    /// So much at once.
    burst: i64,
    /// One more in so many milliseconds.
    refill_ms: i64,
}

/// An address: a bad evening of a large building, then one thing that proves nothing in a second.
const ADDRESS: Rule = Rule {
    burst: 200,
    refill_ms: 1_000,
};

/// A device: thirty check-ins at once, then one in five seconds; it is told to wait much longer.
const DEVICE: Rule = Rule {
    burst: 30,
    refill_ms: 5_000,
};

/// Most addresses and devices that are remembered in each of the two halves of a memory.
const REMEMBERED_MAX: usize = 100_000;

/// Addresses and devices, and what they have left.
#[derive(Debug)]
pub struct Throttle {
    addresses: Buckets<IpAddr>,
    devices: Buckets<DeviceId>,
}

/// It has nothing left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooOften;

impl Default for Throttle {
    fn default() -> Self {
        Self {
            addresses: Buckets::new(ADDRESS, REMEMBERED_MAX),
            devices: Buckets::new(DEVICE, REMEMBERED_MAX),
        }
    }
}

impl Throttle {
    /// Whether something from an address is looked at at all.
    ///
    /// # Errors
    /// [`TooOften`].
    pub fn address_may(&self, address: IpAddr, now: i64) -> Result<(), TooOften> {
        self.addresses.look(network(address), now)
    }

    /// What came from an address proved nothing.
    pub fn address_pays(&self, address: IpAddr, now: i64) {
        // Whether it has anything left is asked with what it sends next.
        let _ = self.addresses.take(network(address), now);
    }

    /// A device proved who it is, and checks in.
    ///
    /// # Errors
    /// [`TooOften`].
    pub fn device_pays(&self, device: DeviceId, now: i64) -> Result<(), TooOften> {
        self.devices.take(device, now)
    }
}

/// Who can be told apart by address: one IPv4 address, or the network of one IPv6 subscriber.
pub(crate) fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => IpAddr::V6((address.to_bits() & (u128::MAX << 64)).into()),
    }
}

/// Buckets, each as the time at which it will be full: what is not remembered is full.
#[derive(Debug)]
struct Buckets<K> {
    rule: Rule,
    remembered_max: usize,
    halves: Mutex<Halves<K>>,
}

#[derive(Debug)]
struct Halves<K> {
    lately: HashMap<K, i64>,
    before: HashMap<K, i64>,
}

impl<K: Copy + Eq + Hash> Buckets<K> {
    fn new(rule: Rule, remembered_max: usize) -> Self {
        Self {
            rule,
            remembered_max,
            halves: Mutex::new(Halves {
                lately: HashMap::new(),
                before: HashMap::new(),
            }),
        }
    }

    /// Whether there is one left.
    fn look(&self, who: K, now: i64) -> Result<(), TooOften> {
        let mut halves = self.halves.lock().unwrap_or_else(PoisonError::into_inner);
        self.after_one(&mut halves, who, now).map(|_| ())
    }

    /// Takes one, if there is one.
    fn take(&self, who: K, now: i64) -> Result<(), TooOften> {
        let mut halves = self.halves.lock().unwrap_or_else(PoisonError::into_inner);
        let full_at = self.after_one(&mut halves, who, now)?;
        if halves.lately.len() >= self.remembered_max {
            halves.before = std::mem::take(&mut halves.lately);
        }
        halves.lately.insert(who, full_at);
        Ok(())
    }

    /// When the bucket would be full after one more.
    fn after_one(&self, halves: &mut Halves<K>, who: K, now: i64) -> Result<i64, TooOften> {
        let Rule { burst, refill_ms } = self.rule;
        let empty = now.saturating_add(burst.saturating_mul(refill_ms));
        let Halves { lately, before } = halves;
        let known = lately.get_mut(&who).or_else(|| before.get_mut(&who));
        let full_at = known.map_or(now, |at| {
            // Never emptier than empty: the clock may have been set back.
            *at = (*at).min(empty);
            (*at).max(now)
        });
        let next = full_at.saturating_add(refill_ms);
        if next > empty { Err(TooOften) } else { Ok(next) }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::arithmetic_side_effects, reason = "small numbers of the test's own")]

    use super::*;

    const RULE: Rule = Rule {
        burst: 3,
        refill_ms: 100,
    };

    #[test]
    fn a_burst_then_one_at_a_time() {
        let buckets = Buckets::new(RULE, 10);
        for _ in 0..3 {
            assert_eq!(buckets.take(1, 0), Ok(()));
        }
        assert_eq!(buckets.take(1, 0), Err(TooOften));
        assert_eq!(buckets.look(1, 99), Err(TooOften));
        assert_eq!(buckets.look(2, 0), Ok(()), "another one's is another one");
        assert_eq!(buckets.take(1, 100), Ok(()));
        assert_eq!(buckets.take(1, 100), Err(TooOften));
        for _ in 0..3 {
            assert_eq!(buckets.take(1, 10_000), Ok(()), "it is never more than full");
        }
        assert_eq!(buckets.take(1, 10_000), Err(TooOften));
    }

    #[test]
    fn a_clock_that_is_set_back_shuts_nobody_out_for_long() {
        let buckets = Buckets::new(RULE, 10);
        for _ in 0..3 {
            buckets.take(1, 1_000_000).unwrap();
        }
        assert_eq!(buckets.take(1, 0), Err(TooOften));
        assert_eq!(buckets.take(1, 100), Ok(()));
    }

    #[test]
    fn strangers_without_end_are_not_remembered_without_end() {
        let buckets = Buckets::new(RULE, 10);
        for who in 0..1000 {
            buckets.take(who, 0).unwrap();
            let halves = buckets.halves.lock().unwrap();
            assert!(halves.lately.len() + halves.before.len() <= 20);
        }
        for _ in 0..2 {
            buckets.take(999, 0).unwrap();
        }
        assert_eq!(buckets.take(999, 0), Err(TooOften), "those of late still are");
    }

    #[test]
    fn a_subscriber_is_one_whatever_address_it_takes() {
        let address = |text: &str| network(text.parse().unwrap());
        assert_eq!(address("2001:db8:1:2::1"), address("2001:db8:1:2:ffff::9"));
        assert_ne!(address("2001:db8:1:2::1"), address("2001:db8:1:3::1"));
        assert_eq!(address("::ffff:192.0.2.1"), address("192.0.2.1"));
        assert_ne!(address("192.0.2.2"), address("192.0.2.1"));
    }
}
