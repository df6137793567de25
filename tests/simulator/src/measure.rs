//! What installs cost on the board's own flash, and the lock's storage: the real cores, pages of 4 KB.

use latchkey_boot::guards::Careful;
use latchkey_boot::{Boot, Fault, check};
use latchkey_handoff::{Mailbox, Map, Partition, Region, Request, Staging, layout};
use latchkey_image::Refusal;
use latchkey_storage::{Key, Layout, Storage};

use crate::nor::{Nor, PowerCut};
use crate::random::Random;
use crate::samples::{Release, Sample};

const PAGE: usize = layout::PAGE as usize;

/// Work of one start, from reset to the jump.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FlashWork {
    /// Pages erased.
    pub erases: u64,
    /// Bytes programmed.
    pub bytes: u64,
    /// Calls of `erase` and `write`: what a power cut can come at.
    pub operations: u64,
    /// Calls of `read`.
    pub reads: u64,
}

/// Why nothing was measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unmeasured {
    /// The bootloader gave up.
    Fault(Fault),
    /// It would not run the image.
    Refused(Refusal),
    /// The simulated flash failed.
    Flash,
}

impl From<Fault> for Unmeasured {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl<E> From<latchkey_handoff::JournalError<E>> for Unmeasured {
    fn from(_: latchkey_handoff::JournalError<E>) -> Self {
        Self::Flash
    }
}

impl From<PowerCut> for Unmeasured {
    fn from(PowerCut: PowerCut) -> Self {
        Self::Flash
    }
}

impl core::fmt::Display for Unmeasured {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Fault(fault) => f.write_str(fault.describe()),
            Self::Refused(refusal) => refusal.fmt(f),
            Self::Flash => f.write_str("the simulated flash failed"),
        }
    }
}

impl core::error::Error for Unmeasured {}

/// The start that installs an image with `payload` bytes of payload over one with `old`, in slots of `slot` bytes.
/// The download is not counted.
///
/// # Errors
/// When the images do not fit.
pub fn install(payload: usize, old: usize, slot: u32) -> Result<FlashWork, Unmeasured> {
    let mut bench = Bench::new(slot);
    let (old, new) = (bench.sample(1, old), bench.sample(2, payload));
    bench.put(bench.map.active, &old);
    bench.put(bench.map.dfu, &new);
    bench.start()?;
    bench.request(&new)?;
    bench.start()
}

/// The start that installs an image in which `changed` pages are others than in the one before.
///
/// # Errors
/// When the images do not fit.
pub fn install_changed(payload: usize, changed: usize, slot: u32) -> Result<FlashWork, Unmeasured> {
    let mut bench = Bench::new(slot);
    let old = bench.sample(1, payload);
    let mut body = old.bytes[0x200..0x200 + payload].to_vec();
    for page in 0..changed {
        body[(page + 1) * PAGE] ^= 0xff;
    }
    let new = bench.release.image_of(&bench.map, 2, body);
    bench.put(bench.map.active, &old);
    bench.put(bench.map.dfu, &new);
    bench.start()?;
    bench.request(&new)?;
    bench.start()
}

/// A start with nothing to do.
///
/// # Errors
/// Never, but for a broken build.
pub fn idle_boot() -> Result<FlashWork, Unmeasured> {
    let mut bench = Bench::new(layout::ACTIVE.size);
    let image = bench.sample(1, 256 * 1024);
    bench.put(bench.map.active, &image);
    bench.start()?;
    bench.start()
}

/// How often a page can be erased: nRF52840 product specification, non-volatile memory controller.
const ENDURANCE: u64 = 10_000;
/// Lock actions a day in a busy household.
const ACTIONS_A_DAY: u64 = 40;

/// What a lock's actions cost its storage.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StorageWork {
    /// Bytes programmed for one action, on average.
    pub bytes: u64,
    /// Pages erased for a thousand actions.
    pub erases_1000: u64,
    /// Years until a page of it is worn out, with [`ACTIONS_A_DAY`].
    pub years: u64,
    /// By how much the erases of two pages that hold records differ at most.
    pub uneven: u64,
}

/// Five years of a busy lock that knows as many people as it can: each action writes one log entry and the record of
/// who did it; one in ten changes the update client's settings too.
///
/// # Errors
/// Never, but for a broken build.
pub fn storage() -> Result<StorageWork, Unmeasured> {
    const ACTIONS: u64 = 5 * 365 * ACTIONS_A_DAY;
    let layout = Layout::LOCK;
    let pages = (layout.records + layout.log) as usize;
    let mut flash = Nor::<PAGE>::used(pages, Random::new(1));
    flash.put(0, &vec![0xff; pages * PAGE]);
    let mut storage = Storage::open(&mut flash, layout).map_err(|_| Unmeasured::Flash)?;
    let put = |storage: &mut Storage<_>, key: u64, length: usize| {
        storage
            .put(Key(key as u16), &vec![key as u8; length])
            .map_err(|_| Unmeasured::Flash)
    };
    put(&mut storage, 0, 300)?;
    (0..100).try_for_each(|key| put(&mut storage, 0x1000 + key, 130))?;
    (0..100).try_for_each(|key| put(&mut storage, 0x2000 + key, 70))?;
    (0..32).try_for_each(|key| put(&mut storage, 0x3000 + key, 30))?;
    let mut random = Random::new(2);
    for action in 0..ACTIONS {
        storage
            .append(&[action as u8; 53])
            .map_err(|_| Unmeasured::Flash)?;
        put(&mut storage, 0x1000 + random.below(100), 130)?;
        if action % 10 == 0 {
            put(&mut storage, 0, 300)?;
        }
    }
    let work = flash.work();
    let records = &flash.erased()[..layout.records as usize];
    let most = flash.erased().iter().copied().max().unwrap_or(1);
    let uneven = records.iter().max().zip(records.iter().min());
    Ok(StorageWork {
        bytes: work.bytes / ACTIONS,
        erases_1000: work.erases * 1000 / ACTIONS,
        years: ENDURANCE * ACTIONS / most / ACTIONS_A_DAY / 365,
        uneven: uneven.map_or(0, |(most, fewest)| most - fewest),
    })
}

struct Bench {
    map: Map,
    release: Release,
    flash: Nor<PAGE>,
    random: Random,
}

impl Bench {
    /// A lock fresh from the factory: everything erased.
    fn new(slot: u32) -> Self {
        let active = Partition::new(layout::ACTIVE.offset, slot);
        let map = Map {
            active,
            dfu: Partition::new(active.end(), slot + layout::PAGE),
            ..layout::MAP
        };
        let pages = map.dfu.end().div_ceil(layout::PAGE) as usize;
        let mut flash = Nor::used(pages, Random::new(1));
        flash.put(0, &vec![0xff; pages * PAGE]);
        Self {
            map,
            release: Release::default(),
            flash,
            random: Random::new(2),
        }
    }

    fn sample(&mut self, counter: u32, payload: usize) -> Sample {
        self.release.image(&self.map, counter, payload, &mut self.random)
    }

    fn put(&mut self, part: Partition, image: &Sample) {
        self.flash.put(part.offset as usize, &image.bytes);
    }

    fn request(&mut self, image: &Sample) -> Result<(), Unmeasured> {
        let (mut journal, mut mailbox) = Mailbox::open(Region::new(&mut self.flash, self.map.mailbox))?;
        mailbox.staging = Staging::Request(Request {
            serial: 1,
            image: image.id,
        });
        Ok(mailbox.post(&mut journal)?)
    }

    fn start(&mut self) -> Result<FlashWork, Unmeasured> {
        let before = self.flash.work();
        self.flash.power_on(None, self.random.clone());
        let authority = self.release.authority(&self.map);
        let mut buffer = vec![0; PAGE];
        let mut boot = Boot::<_, Careful>::start(&mut self.flash, &self.map, &authority, &mut buffer)?;
        boot.prepare()?;
        let accepted = check(boot.flash(), &self.map, &authority).map_err(Unmeasured::Refused)?;
        boot.commit(accepted)?;
        check(boot.flash(), &self.map, &authority).map_err(Unmeasured::Refused)?;
        let after = self.flash.work();
        Ok(FlashWork {
            erases: after.erases - before.erases,
            bytes: after.bytes - before.bytes,
            operations: after.operations,
            reads: after.reads - before.reads,
        })
    }
}
