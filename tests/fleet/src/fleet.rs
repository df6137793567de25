//! All locks together: whose turn it is, on one clock that stands still while requests are under way.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashSet};
use std::sync::Arc;

use anyhow::{Context as _, Result};
use latchkey_directive::{DeviceId, Event as Reported, Running};
use latchkey_image::ImageDigest;
use tokio::task::JoinSet;

use crate::lock::{Lock, Model, Release};
use crate::server::Server;
use crate::wire::Wire;

/// A lock's place in the fleet.
type Number = usize;

/// The fleet.
pub(crate) struct Fleet {
    /// The server it talks to.
    pub(crate) server: Server,
    /// The way there.
    pub(crate) wire: Arc<Wire>,
    /// Milliseconds since the fleet began.
    pub(crate) now_ms: u64,
    releases: Arc<Vec<Release>>,
    /// Those that are not out and about.
    locks: Vec<Option<Lock>>,
    due: BinaryHeap<Reverse<(u64, Number)>>,
    out: JoinSet<(Number, Lock)>,
    /// What each lock runs, and whether it is never heard of again; of those that are out, as they left.
    last: Vec<(Running, bool)>,
    /// Most locks that talk at once.
    pub(crate) width: usize,
    /// What the server acknowledged, for good.
    pub(crate) receipted: Vec<(DeviceId, u64, Reported)>,
    offered: HashSet<(ImageDigest, Number)>,
}

impl Fleet {
    /// A fleet from the factory. Its locks start at any time within `spread_ms`, as in the field: calls never stop.
    pub(crate) fn new(
        server: Server,
        model: Arc<Model>,
        releases: Vec<Release>,
        size: Size,
        spread_ms: u64,
    ) -> Result<Self> {
        let mut random = fastrand::Rng::with_seed(size.seed);
        let factory = *releases
            .first()
            .context("a lock runs something from the beginning")?;
        let locks = (0..size.locks).map(|_| {
            let starts_ms = random.u64(..spread_ms);
            let lock = Lock::new(model.clone(), random.fork(), &factory, starts_ms)?;
            Ok(Some(lock))
        });
        let locks = locks.collect::<Result<Vec<_>>>()?;
        let mut fleet = Self {
            wire: Arc::new(Wire::new(&server.url())?),
            server,
            now_ms: 0,
            releases: Arc::new(releases),
            locks,
            due: BinaryHeap::new(),
            out: JoinSet::new(),
            last: vec![(factory.running, false); size.locks],
            width: size.width,
            receipted: Vec::new(),
            offered: HashSet::new(),
        };
        for number in 0..fleet.locks.len() {
            fleet.schedule(number);
        }
        Ok(fleet)
    }

    /// The locks that are home and not gone.
    pub(crate) fn alive(&self) -> impl Iterator<Item = &Lock> {
        self.locks.iter().flatten().filter(|lock| !lock.is_gone)
    }

    /// All names.
    pub(crate) fn ids(&self) -> Vec<DeviceId> {
        self.locks.iter().flatten().map(Lock::id).collect()
    }

    /// How many locks run an image, confirmed.
    pub(crate) fn runs(&self, image: ImageDigest) -> usize {
        let runs =
            |(running, is_gone): &&(Running, bool)| running.image == image && running.confirmed && !is_gone;
        self.last.iter().filter(runs).count()
    }

    /// How many locks were ever offered an image.
    pub(crate) fn offered(&self, image: ImageDigest) -> usize {
        self.offered.iter().filter(|(of, _)| *of == image).count()
    }

    /// How many are never heard of again.
    pub(crate) fn gone(&self) -> usize {
        self.last.iter().filter(|(_, is_gone)| *is_gone).count()
    }

    /// Lets time go on until `enough`, and no further than `until_ms`; says whether it was. Requests may be under way
    /// when this returns with `true`.
    pub(crate) async fn live(
        &mut self,
        until_ms: u64,
        mut enough: impl FnMut(&Self) -> bool,
    ) -> Result<bool> {
        let mut looked = 0_usize;
        loop {
            while self.out.len() < self.width {
                let Some(Reverse((at_ms, number))) = self.due.peek().copied() else {
                    break;
                };
                if at_ms > until_ms {
                    break;
                }
                self.due.pop();
                self.now_ms = self.now_ms.max(at_ms);
                self.send_out(number)?;
            }
            if !self.welcome_one().await? {
                self.now_ms = self.now_ms.max(until_ms);
                self.server.set_clock(self.now_ms)?;
                return Ok(enough(self));
            }
            // Looking at all of them after each would be most of the work.
            looked += 1;
            if looked.is_multiple_of(self.locks.len() / 100 + 1) && enough(self) {
                return Ok(true);
            }
        }
    }

    /// From now on every lock has a new connection.
    pub(crate) fn reconnect(&mut self) -> Result<()> {
        self.wire = Arc::new(Wire::new(&self.server.url())?);
        Ok(())
    }

    /// Waits until nothing is under way. Time stands still.
    pub(crate) async fn rest(&mut self) -> Result<()> {
        while self.welcome_one().await? {}
        Ok(())
    }

    /// The network of all locks comes or goes.
    pub(crate) fn network(&mut self, up: bool) {
        let now_ms = self.now_ms;
        self.due.clear();
        for number in 0..self.locks.len() {
            if let Some(lock) = self.locks.get_mut(number).and_then(Option::as_mut) {
                lock.network(up, now_ms);
            }
            self.schedule(number);
        }
    }

    fn send_out(&mut self, number: Number) -> Result<()> {
        self.server.set_clock(self.now_ms)?;
        if let Some(mut lock) = self.locks.get_mut(number).and_then(Option::take) {
            let (wire, releases, now_ms) = (self.wire.clone(), self.releases.clone(), self.now_ms);
            self.out.spawn(async move {
                lock.live(&wire, &releases, now_ms).await;
                (number, lock)
            });
        }
        Ok(())
    }

    async fn welcome_one(&mut self) -> Result<bool> {
        let Some(back) = self.out.join_next().await else {
            return Ok(false);
        };
        let (number, mut lock) = back.context("a lock panicked")?;
        let told = std::mem::take(&mut lock.told);
        let id = lock.id();
        if let Some(last) = self.last.get_mut(number) {
            *last = (lock.running(), lock.is_gone);
        }
        self.receipted.extend(
            told.receipted
                .into_iter()
                .map(|(sequence, event)| (id, sequence, event)),
        );
        self.offered
            .extend(told.offered.into_iter().map(|image| (image, number)));
        if let Some(home) = self.locks.get_mut(number) {
            *home = Some(lock);
        }
        self.schedule(number);
        Ok(true)
    }

    fn schedule(&mut self, number: Number) {
        let lock = self.locks.get(number).and_then(Option::as_ref);
        if let Some(at_ms) = lock.and_then(Lock::wakes_ms) {
            self.due.push(Reverse((at_ms.max(self.now_ms), number)));
        }
    }
}

/// How large, and which.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Size {
    /// How many locks.
    pub(crate) locks: usize,
    /// Most that talk at once.
    pub(crate) width: usize,
    /// The same seed gives the same locks.
    pub(crate) seed: u64,
}
