//! The clock of the lock app's tasks: two CMSDK timers, no tick.
//!
//! TIMER0 counts down freely and interrupts when it wraps; TIMER1 is set to the next moment anyone waits for.
//! Both run at the processor's 25 MHz; one unit of time is a microsecond.

use core::cell::RefCell;
use core::sync::atomic::{AtomicU32, Ordering};
use core::task::Waker;

use critical_section::{CriticalSection, Mutex};
use embassy_time_driver::Driver;
use embassy_time_queue_utils::Queue;

use crate::CLOCK_HZ;
use crate::interrupt::{self, Line};
use crate::register::Register;

const CONTROL: u32 = 0x0;
const VALUE: u32 = 0x4;
const RELOAD: u32 = 0x8;
const INTERRUPT: u32 = 0xC;

const CONTROL_ENABLE: u32 = 1 << 0;
const CONTROL_INTERRUPT: u32 = 1 << 3;

/// One CMSDK timer.
struct Timer(u32);

impl Timer {
    const fn register(&self, offset: u32) -> Register {
        Register::at(self.0.wrapping_add(offset))
    }

    fn start(&self, counts: u32) {
        self.register(VALUE).write(counts);
        self.register(RELOAD).write(counts);
        self.register(CONTROL).write(CONTROL_ENABLE | CONTROL_INTERRUPT);
    }

    fn stop(&self) {
        self.register(CONTROL).write(0);
        self.acknowledge();
    }

    fn acknowledge(&self) {
        self.register(INTERRUPT).write(1);
    }

    fn has_ended(&self) -> bool {
        self.register(INTERRUPT).read() != 0
    }
}

const FREE: Timer = Timer(0x4000_0000);
const ALARM: Timer = Timer(0x4000_1000);

/// Counts in a microsecond.
const COUNTS: u64 = CLOCK_HZ as u64 / 1_000_000;

struct Clock {
    /// Times that the free timer has wrapped.
    wraps: AtomicU32,
    waiting: Mutex<RefCell<Queue>>,
}

embassy_time_driver::time_driver_impl!(static CLOCK: Clock = Clock {
    wraps: AtomicU32::new(0),
    waiting: Mutex::new(RefCell::new(Queue::new())),
});

/// Starts the clock. To be called once, before the tasks run.
pub fn start() {
    FREE.start(u32::MAX);
    ALARM.stop();
    interrupt::enable(Line::Timer0);
    interrupt::enable(Line::Timer1);
}

impl Clock {
    /// Sets the alarm to the next moment anyone waits for; wakes those whose moment has come.
    fn set_alarm(&self, cs: CriticalSection<'_>) {
        let mut waiting = self.waiting.borrow_ref_mut(cs);
        loop {
            let now = self.now();
            let next = waiting.next_expiration(now);
            ALARM.stop();
            if next == u64::MAX {
                return;
            }
            // A wait longer than the timer counts is looked at again when it ends.
            if let Some(rest) = next.checked_sub(self.now()).filter(|rest| *rest > 0) {
                let counts = rest.saturating_mul(COUNTS);
                ALARM.start(u32::try_from(counts).unwrap_or(u32::MAX));
                return;
            }
        }
    }
}

impl Driver for Clock {
    fn now(&self) -> u64 {
        critical_section::with(|_| {
            let count = FREE.register(VALUE).read();
            let wraps = self.wraps.load(Ordering::Relaxed);
            // It has ended, and the interrupt is still to come: the count may be from before or after.
            let (wraps, count) = if FREE.has_ended() {
                (wraps.wrapping_add(1), FREE.register(VALUE).read())
            } else {
                (wraps, count)
            };
            // The timer ends on reaching 0, so 0 is where the next period begins, and its reload is one later.
            (u64::from(wraps) << 32 | u64::from(count.wrapping_neg())) / COUNTS
        })
    }

    fn schedule_wake(&self, at: u64, waker: &Waker) {
        critical_section::with(|cs| {
            if self.waiting.borrow_ref_mut(cs).schedule_wake(at, waker) {
                self.set_alarm(cs);
            }
        });
    }
}

pub(crate) extern "C" fn on_wrap() {
    FREE.acknowledge();
    CLOCK.wraps.store(
        CLOCK.wraps.load(Ordering::Relaxed).wrapping_add(1),
        Ordering::Relaxed,
    );
}

pub(crate) extern "C" fn on_alarm() {
    critical_section::with(|cs| CLOCK.set_alarm(cs));
}
