//! What time, door and button bring about.

use embedded_storage::nor_flash::NorFlash;
use latchkey_protocol::message::LogEvent;
use latchkey_protocol::value::{DoorEvent, DoorState, LockAction, Name, Trigger};
use latchkey_storage::Storage;

use super::state::State;
use super::{DoorSense, Lock, Moment};
use crate::activity::{Entry, NOBODY};
use crate::bolt::Stand;
use crate::button::Gesture;
use crate::schedule::{Door, NightChange, Why};

/// How long pairing mode lasts, in milliseconds.
pub(super) const PAIRING_MS: u64 = 120_000;
/// The longest that the lock does not look at the clock while it has a schedule, in minutes.
const LOOK_MIN: u32 = 60;
/// The most scheduled actions of one look at the clock: as many as there are entries.
const DUE_MAX: usize = crate::schedule::Entries::MAX;

impl Lock {
    /// Does whatever has become due.
    pub(super) fn tick<F: NorFlash>(&mut self, moment: &mut Moment, storage: &mut Storage<F>) {
        let now_ms = moment.now_ms;
        if let Some(gesture) = self.state.button.tick(now_ms) {
            self.gesture(gesture, moment, storage);
        }
        if self
            .state
            .pairing_until_ms
            .is_some_and(|until_ms| until_ms <= now_ms)
        {
            self.state.pairing_until_ms = None;
        }
        if let Some(news) = self.state.bolt.tick(now_ms) {
            self.bolt_news(news, now_ms, storage);
        }
        self.keep_night(now_ms, storage);
        self.keep_time_control(now_ms, storage);
        if !self.state.bolt.is_moving()
            && let Some(why) = self.state.relock.tick(now_ms)
        {
            let trigger = match why {
                Why::LockNGo => Trigger::Automatic,
                Why::AutoLock => Trigger::AutoLock,
            };
            self.perform_itself(LockAction::Lock, trigger, now_ms, storage);
        }
    }

    fn keep_night<F: NorFlash>(&mut self, now_ms: u64, storage: &mut Storage<F>) {
        let local = self.state.local(now_ms);
        match self.state.night.look(self.state.advanced.night(), local) {
            Some(NightChange::Begun) => {
                let unlocked = self.state.bolt.stand() == Stand::Unlocked;
                if self.state.advanced.night_immediate_lock && unlocked {
                    self.lock_for_the_night(now_ms, storage);
                } else {
                    self.state.arm_auto_lock(now_ms);
                }
                self.links.tell_state(self.state.lock_state());
            }
            Some(NightChange::Over) => self.links.tell_state(self.state.lock_state()),
            None => {}
        }
    }

    fn lock_for_the_night<F: NorFlash>(&mut self, now_ms: u64, storage: &mut Storage<F>) {
        if self.state.door == DoorState::Opened {
            // As soon as it is closed.
            self.state.relock.arm(Why::AutoLock, 0, now_ms);
        } else {
            self.perform_itself(LockAction::Lock, Trigger::AutoLock, now_ms, storage);
        }
    }

    fn keep_time_control<F: NorFlash>(&mut self, now_ms: u64, storage: &mut Storage<F>) {
        let Some(local) = self.state.local(now_ms) else {
            return;
        };
        let Some(minutes) = self.state.minutes.advance(local) else {
            return;
        };
        let due = self.state.time_control.due(minutes).map(|entry| entry.action);
        let due: heapless::Vec<LockAction, DUE_MAX> = due.collect();
        for action in due {
            self.perform_itself(action, Trigger::Automatic, now_ms, storage);
        }
    }

    /// The button went down or up.
    pub(super) fn button<F: NorFlash>(
        &mut self,
        pressed: bool,
        moment: &mut Moment,
        storage: &mut Storage<F>,
    ) {
        if let Some(gesture) = self.state.button.change(pressed, moment.now_ms) {
            self.gesture(gesture, moment, storage);
        }
    }

    fn gesture<F: NorFlash>(&mut self, gesture: Gesture, moment: &mut Moment, storage: &mut Storage<F>) {
        let now_ms = moment.now_ms;
        match gesture {
            Gesture::Down => {
                if self.state.bolt.is_moving() {
                    self.state.bolt.cancel(now_ms);
                    self.state.button.spend();
                }
            }
            Gesture::Single if self.state.config.button_enabled => {
                self.button_action(self.state.advanced.single_press, now_ms, storage);
            }
            Gesture::Double if self.state.config.button_enabled => {
                self.button_action(self.state.advanced.double_press, now_ms, storage);
            }
            Gesture::Single | Gesture::Double => {}
            Gesture::Pair => {
                if self.state.config.pairing_enabled {
                    self.state.pairing_until_ms = Some(now_ms.saturating_add(PAIRING_MS));
                }
            }
            Gesture::Reset => self.factory_reset(moment, storage),
        }
    }

    /// The door sensor tells something.
    pub(super) fn door<F: NorFlash>(&mut self, sense: DoorSense, now_ms: u64, storage: &mut Storage<F>) {
        let (state, door, event) = match sense {
            DoorSense::Unavailable => (DoorState::Unavailable, Door::Unknown, None),
            DoorSense::Opened => (DoorState::Opened, Door::Open, Some(DoorEvent::Opened)),
            DoorSense::Closed => (DoorState::Closed, Door::Closed, Some(DoorEvent::Closed)),
            DoorSense::Tampered => (DoorState::Tampered, Door::Unknown, Some(DoorEvent::Jammed)),
        };
        if state == self.state.door {
            return;
        }
        // What the sensor says first is how the door has been all along.
        let first = self.state.door == DoorState::Unavailable;
        self.state.door = state;
        let at_once = self.state.advanced.immediate_auto_lock;
        self.state.relock.door(door, at_once, now_ms);
        if let Some(event) = event.filter(|_| !first) {
            let time = self.state.clock.now(now_ms);
            let entry = Entry::new(time, NOBODY, Name::EMPTY, LogEvent::Door(event.into()));
            // The door has moved, whether or not it can be written down.
            let _ = self.state.log(storage, &entry);
        }
        self.links.tell_state(self.state.lock_state());
    }
}

impl State {
    /// When something becomes due.
    pub(super) fn deadline(&self, now_ms: u64) -> Option<u64> {
        let relock = self.relock.deadline().filter(|_| !self.bolt.is_moving());
        [
            self.bolt.deadline(),
            self.button.deadline(),
            self.pairing_until_ms,
            relock,
            self.restart_at_ms.filter(|at_ms| *at_ms > now_ms),
            self.schedule_ms(now_ms),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// When to look at the clock again.
    fn schedule_ms(&self, now_ms: u64) -> Option<u64> {
        let local = self.local(now_ms)?;
        let night = self.night.next_in_min(self.advanced.night(), local);
        let entry = self.time_control.next_in_min(local);
        let minutes = night.into_iter().chain(entry).min()?.min(LOOK_MIN);
        let whole_s = minutes.saturating_sub(1).saturating_mul(60);
        let ahead_s = local.rest_of_minute_s().saturating_add(whole_s);
        Some(self.clock.when(self.clock.now(now_ms).plus(ahead_s)))
    }
}
