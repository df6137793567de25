//! A storage that lives through calls until they are done or power goes, and what is known of it.

use std::ops::Range;

use latchkey_storage::guards::Guards;
use latchkey_storage::{ENTRY_MAX, Key, Layout, Storage, StorageError, VALUE_MAX};

use super::model::{Call, Model, Secret, Theme, any_call};
use crate::nor::{Cut, Nor, PowerCut};
use crate::random::Random;

/// A promise that was broken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation(pub String);

/// Why a life paused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pause {
    /// The power is gone.
    Cut,
    /// All calls are done.
    Rest,
}

/// What a storage shows of itself.
#[derive(Debug, PartialEq, Eq)]
struct Shown {
    records: Vec<(u16, Vec<u8>)>,
    entries: Range<u32>,
    log: Vec<Option<Vec<u8>>>,
}

enum Stopped {
    Power,
    Broken(Violation),
}

impl From<StorageError<PowerCut>> for Stopped {
    fn from(error: StorageError<PowerCut>) -> Self {
        if error == StorageError::Flash(PowerCut) {
            Self::Power
        } else {
            Self::Broken(Violation(format!("the storage says: {error}")))
        }
    }
}

/// A storage, and what the world outside knows of it.
#[derive(Clone, Debug)]
pub struct World<const P: usize> {
    /// Its flash.
    pub flash: Nor<P>,
    layout: Layout,
    model: Model,
    /// The call that was cut off, until it is known what became of it.
    pending: Option<Call>,
    /// Every secret there ever was.
    secrets: Vec<Secret>,
    formatted: bool,
    cuts: u8,
    took: u64,
    theme: Theme,
}

impl<const P: usize> World<P> {
    /// A flash that holds anything.
    #[must_use]
    pub fn new(layout: Layout, theme: Theme, random: Random) -> Self {
        let pages = (layout.records + layout.log) as usize;
        Self {
            flash: Nor::used(pages, random),
            layout,
            model: Model::default(),
            pending: None,
            secrets: Vec::new(),
            formatted: false,
            cuts: 0,
            took: 0,
            theme,
        }
    }

    /// Any calls.
    pub fn calls(&mut self, count: u64, random: &mut Random) -> Vec<Call> {
        let longest = (P - 28) / 3 - 20;
        let mut calls = Vec::new();
        for _ in 0..count {
            let call = any_call(random, self.theme, self.secrets.len() as u16, longest & !3);
            if let Call::Put(_, secret) = call {
                self.secrets.push(secret);
            }
            calls.push(call);
        }
        calls
    }

    /// Flash operations of the newest life.
    #[must_use]
    pub fn calls_took(&self) -> u64 {
        self.took
    }

    /// Opens the storage, makes the calls, and looks at everything.
    ///
    /// # Errors
    /// The promise that was broken.
    pub fn live<G: Guards>(
        &mut self,
        calls: &[Call],
        cut: Option<Cut>,
        random: Random,
    ) -> Result<Pause, Violation> {
        self.flash.power_on(cut, random.clone());
        let ended = self.session::<G>(calls);
        self.took = self.flash.work().operations;
        match ended {
            Err(Stopped::Broken(violation)) => Err(violation),
            Err(Stopped::Power) if cut.is_some() => {
                self.cuts = self.cuts.saturating_add(1);
                Ok(Pause::Cut)
            }
            Err(Stopped::Power) => Err(Violation("power went by itself".into())),
            Ok(()) => {
                self.inspect_flash()?;
                // Torn words read differently at each start.
                self.flash.power_on(None, Random::of(1, &[random.clone().next()]));
                self.open_again::<G>()?;
                Ok(Pause::Rest)
            }
        }
    }

    fn session<G: Guards>(&mut self, calls: &[Call]) -> Result<(), Stopped> {
        let mut storage = match Storage::<_, G>::open_guarded(&mut self.flash, self.layout) {
            Err(StorageError::Foreign) if !self.formatted => {
                Storage::<_, G>::format_guarded(&mut self.flash, self.layout)?
            }
            opened => opened?,
        };
        self.formatted = true;
        // Once a start has answered, it is decided what became of the call that was cut off.
        let shown = show(&mut storage)?;
        let after = self.pending.take().map(|call| self.model.after(&call));
        let fits = |model: &Model| fits(&shown, model, self.layout, P, self.cuts);
        match (fits(&self.model), after) {
            (Ok(()), _) => {}
            (Err(_), Some(after)) if fits(&after).is_ok() => self.model = after,
            (Err(violation), _) => return Err(Stopped::Broken(violation)),
        }
        for call in calls {
            self.pending = Some(call.clone());
            match make(&mut storage, call) {
                Err(StorageError::Full) => {
                    let room = (self.layout.records as usize - 1) * (P - 28);
                    if self.model.after(call).size() * 2 < room {
                        let what = format!("full with {} of {room} bytes", self.model.size());
                        return Err(Stopped::Broken(Violation(what)));
                    }
                }
                made => {
                    made?;
                    self.model = self.model.after(call);
                }
            }
            self.pending = None;
        }
        let shown = show(&mut storage)?;
        fits_or_broken(&shown, &self.model, self.layout, P, self.cuts)
    }

    /// Opened again it shows the same; and that costs nothing as long as no cut has left a torn word.
    fn open_again<G: Guards>(&mut self) -> Result<(), Violation> {
        let mut storage = Storage::<_, G>::open_guarded(&mut self.flash, self.layout)
            .map_err(|error| Violation(format!("opened again, the storage says: {error}")))?;
        let shown = show(&mut storage).map_err(|stopped| match stopped {
            Stopped::Power => Violation("power went by itself".into()),
            Stopped::Broken(violation) => violation,
        })?;
        fits(&shown, &self.model, self.layout, P, self.cuts)?;
        let operations = self.flash.work().operations;
        if operations != 0 && self.cuts == 0 {
            return Err(Violation(format!(
                "opening what is settled costs {operations} operations"
            )));
        }
        Ok(())
    }

    /// Looks at the chip itself.
    fn inspect_flash(&self) -> Result<(), Violation> {
        if let Some(misused) = self.flash.misused() {
            return Err(Violation(format!("the flash was misused: {misused}")));
        }
        let programs = self.flash.work().programs;
        if programs > self.cuts.saturating_add(2) {
            return Err(Violation(format!(
                "a word was programmed {programs} times with {} cuts",
                self.cuts
            )));
        }
        let alive = |id: u16| self.model.records.values().any(|value| value.id == id);
        let gone: Vec<Secret> = self
            .secrets
            .iter()
            .copied()
            .filter(|secret| secret.length >= 8 && !alive(secret.id))
            .collect();
        let records = self.layout.records as usize * P / 4;
        for [(a, torn_a), (b, torn_b)] in self.flash.pairs().take(records) {
            if let Some(id) = Secret::seen([a, b], [torn_a, torn_b], &gone)
                && !alive(id)
                && usize::from(id) < self.secrets.len()
            {
                return Err(Violation(format!("secret {id} is gone and can be read")));
            }
        }
        Ok(())
    }
}

fn make<const P: usize, G: Guards>(
    storage: &mut Storage<&mut Nor<P>, G>,
    call: &Call,
) -> Result<(), StorageError<PowerCut>> {
    match call {
        Call::Put(key, value) => storage.put(Key(*key), &value.bytes()),
        Call::Remove(key) => storage.remove(Key(*key)),
        Call::Append(entry) => storage.append(&entry.bytes()).map(drop),
        Call::Clear => storage.clear(),
    }
}

fn show<const P: usize, G: Guards>(storage: &mut Storage<&mut Nor<P>, G>) -> Result<Shown, Stopped> {
    let keys: Vec<Key> = storage.keys().collect();
    let mut records = Vec::new();
    for key in keys {
        let mut buffer = [0; VALUE_MAX];
        let value = storage.get(key, &mut buffer)?;
        records.push((key.0, value.unwrap_or_default().to_vec()));
    }
    let entries = storage.entries();
    let mut log = Vec::new();
    for entry in entries.clone() {
        let mut buffer = [0; ENTRY_MAX];
        log.push(storage.entry(entry, &mut buffer)?.map(<[u8]>::to_vec));
    }
    Ok(Shown {
        records,
        entries,
        log,
    })
}

/// Whether a storage shows what it should.
fn fits(shown: &Shown, model: &Model, layout: Layout, page: usize, cuts: u8) -> Result<(), Violation> {
    let records: Vec<_> = model
        .records
        .iter()
        .map(|(key, value)| (*key, value.bytes()))
        .collect();
    if shown.records != records {
        return Err(Violation(format!(
            "the records are {:x?} and not {:x?}",
            shown.records, model.records
        )));
    }
    let entries = &shown.entries;
    if entries.end as usize != model.log.len() {
        return Err(Violation(format!(
            "the log ends at {} and not at {}",
            entries.end,
            model.log.len()
        )));
    }
    // A page goes at a time, begins with a copy, and a cut may cost two slots.
    let slots = page / 72 - 1;
    let kept = ((layout.log as usize - 1) * slots).saturating_sub(2 * usize::from(cuts));
    if entries.len() < model.log.len().min(kept.max(1)) {
        return Err(Violation(format!(
            "the log has {entries:?} and should have {kept} entries"
        )));
    }
    for (number, entry) in entries.clone().zip(&shown.log) {
        let expected = model.log[number as usize].bytes();
        if entry.as_ref() != Some(&expected) {
            return Err(Violation(format!(
                "log entry {number} is {entry:x?} and not {expected:x?}"
            )));
        }
    }
    Ok(())
}

fn fits_or_broken(
    shown: &Shown,
    model: &Model,
    layout: Layout,
    page: usize,
    cuts: u8,
) -> Result<(), Stopped> {
    fits(shown, model, layout, page, cuts).map_err(Stopped::Broken)
}
