//! The motor: carries out what the lock wants of the bolt, with a bridge that only knows power and an angle.
//!
//! [`Mover`] is the closed loop, without IO: told a command, the time and the angle, it says how to drive and what
//! to tell the lock. A motor that does not turn is switched off after [`STALL_MS`], always, so neither a bolt that
//! is jammed nor a sensor that is dead burns the motor. [`run`] is its task.
//!
//! The unlocked stop is where the latch's spring begins: gentle power stops there, full power draws the latch.

use core::future::Future;

use embassy_futures::select::{Either, select};
use embassy_time::{Duration, Instant, Timer};
use latchkey_lock::bolt::{MotorCommand, MotorFault, Sense};

/// Which way the bolt is turned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// Angles grow.
    Lock,
    /// Angles shrink.
    Unlock,
}

/// What the bridge does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Power {
    /// Off, the motor runs free.
    Off,
    /// As much as turns a bolt that nothing holds.
    Gentle(Way),
    /// All there is.
    Full(Way),
}

/// A motor's bridge and its angle sensor.
#[expect(
    async_fn_in_trait,
    reason = "no executor of ours moves futures between threads"
)]
pub trait Bridge {
    /// Whether the angle counts from the unlocked stop right from the start. If not, only differences mean
    /// something, until the bolt has been located.
    const ABSOLUTE: bool;

    /// Drives the motor, until told otherwise.
    fn drive(&mut self, power: Power);
    /// The bolt's angle in degrees; it grows towards locked.
    fn angle_deg(&mut self) -> i32;
    /// Why the motor cannot go on, if it cannot.
    fn fault(&mut self) -> Option<MotorFault>;
    /// Ends when the bolt may have been turned by hand.
    async fn turned(&mut self);
}

/// How long a motor that is driven may stand still.
pub const STALL_MS: u64 = 400;
/// What counts as having moved on, in degrees.
const PROGRESS_DEG: i32 = 3;
/// What counts as having been turned by hand, in degrees.
const TURNED_DEG: i32 = 10;
/// For how long a bolt stands still before it is said where a hand left it.
const SETTLED_MS: u64 = 200;
/// How often a motor that turns is looked at.
const STEP: Duration = Duration::from_millis(5);
/// How often a bolt that a hand turns is looked at.
const LOOK: Duration = Duration::from_millis(50);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// The lock was last told that the bolt stands here.
    Rest {
        told_deg: i32,
    },
    /// On the way, on the lock's command.
    Turning {
        way: Way,
        to_deg: i32,
    },
    /// Looking for the unlocked stop, then for the locked one, then on the way back.
    FindingUnlocked,
    FindingLocked,
    Returning {
        total_deg: i32,
    },
}

/// See the module's header. Angles inside are the bridge's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mover {
    state: State,
    /// Where the unlocked stop is, once known.
    zero_deg: Option<i32>,
    /// Where the bolt last moved on, and when.
    progress: (i32, u64),
}

impl Mover {
    /// A motor at rest.
    #[must_use]
    pub fn new(absolute: bool, now_ms: u64, angle_deg: i32) -> Self {
        Self {
            state: State::Rest { told_deg: angle_deg },
            zero_deg: absolute.then_some(0),
            progress: (angle_deg, now_ms),
        }
    }

    /// How to drive now. Where the latch is not wanted, never with the power that draws it: a look at the angle that
    /// comes late must not open the door.
    #[must_use]
    pub fn power(&self) -> Power {
        match self.state {
            State::Rest { .. } => Power::Off,
            State::Turning {
                way: Way::Unlock,
                to_deg,
            } if self.zero_deg.is_some_and(|zero_deg| to_deg >= zero_deg) => Power::Gentle(Way::Unlock),
            State::Turning { way, .. } => Power::Full(way),
            State::FindingUnlocked => Power::Gentle(Way::Unlock),
            State::FindingLocked => Power::Gentle(Way::Lock),
            State::Returning { .. } => Power::Gentle(Way::Unlock),
        }
    }

    /// Whether the motor is driven.
    #[must_use]
    pub fn is_driving(&self) -> bool {
        !matches!(self.state, State::Rest { .. })
    }

    /// Whether the lock knows where the bolt stands now.
    #[must_use]
    pub fn is_settled(&self, angle_deg: i32) -> bool {
        matches!(self.state, State::Rest { told_deg } if away(told_deg, angle_deg) < TURNED_DEG)
    }

    /// Where the bolt stands, to be taken for true as long as nothing better is known: after a start, when only
    /// the lock remembers.
    pub fn believe(&mut self, at_deg: i16, angle_deg: i32) {
        if self.zero_deg.is_none() {
            self.zero_deg = Some(angle_deg.saturating_sub(at_deg.into()));
        }
    }

    /// Takes a command; one under way is given up for it.
    pub fn command(&mut self, command: MotorCommand, now_ms: u64, angle_deg: i32) -> Option<Sense> {
        self.progress = (angle_deg, now_ms);
        match command {
            MotorCommand::Locate | MotorCommand::Stop => Some(self.rest(angle_deg, Sense::Reached)),
            MotorCommand::Calibrate => {
                self.state = State::FindingUnlocked;
                None
            }
            MotorCommand::Turn { to_deg } => {
                let Some(zero_deg) = self.zero_deg else {
                    return Some(self.rest(angle_deg, Sense::Reached));
                };
                let to_deg = zero_deg.saturating_add(to_deg.into());
                let way = if to_deg < angle_deg {
                    Way::Unlock
                } else {
                    Way::Lock
                };
                self.state = State::Turning { way, to_deg };
                self.step(now_ms, angle_deg)
            }
        }
    }

    /// The motor gives up.
    pub fn fail(&mut self, fault: MotorFault, angle_deg: i32) -> Option<Sense> {
        self.is_driving().then(|| {
            self.rest(angle_deg, Sense::Reached);
            Sense::Failed(fault)
        })
    }

    /// Looks at the angle.
    pub fn step(&mut self, now_ms: u64, angle_deg: i32) -> Option<Sense> {
        if away(self.progress.0, angle_deg) >= PROGRESS_DEG {
            self.progress = (angle_deg, now_ms);
        }
        let still_ms = now_ms.saturating_sub(self.progress.1);
        let stalled = still_ms >= STALL_MS;
        match self.state {
            State::Rest { .. } if self.is_settled(angle_deg) || still_ms < SETTLED_MS => None,
            State::Rest { .. } => Some(self.rest(angle_deg, Sense::Turned)),
            State::Turning { way, to_deg } => {
                let there = match way {
                    Way::Lock => angle_deg >= to_deg,
                    Way::Unlock => angle_deg <= to_deg,
                };
                // Where the stop itself is wanted, it may be met a little early.
                let nearly = away(to_deg, angle_deg) < PROGRESS_DEG;
                match (there || (stalled && nearly), stalled) {
                    (true, _) => Some(self.rest(angle_deg, Sense::Reached)),
                    (false, true) => Some(self.rest(angle_deg, Sense::Blocked)),
                    (false, false) => None,
                }
            }
            State::FindingUnlocked if stalled => {
                self.zero_deg = Some(angle_deg);
                self.go(State::FindingLocked, now_ms, angle_deg)
            }
            State::FindingLocked if stalled => {
                let total_deg = angle_deg.saturating_sub(self.zero_deg.unwrap_or(angle_deg));
                self.go(State::Returning { total_deg }, now_ms, angle_deg)
            }
            State::Returning { total_deg } => {
                let zero_deg = self.zero_deg.unwrap_or(angle_deg);
                if away(zero_deg, angle_deg) < PROGRESS_DEG {
                    self.rest(angle_deg, Sense::Reached);
                    // Fewer than no degrees is a sensor that runs the wrong way round.
                    return Some(u16::try_from(total_deg).map_or(Sense::Lost, Sense::Calibrated));
                }
                stalled.then(|| self.rest(angle_deg, Sense::Blocked))
            }
            State::FindingUnlocked | State::FindingLocked => None,
        }
    }

    fn go(&mut self, state: State, now_ms: u64, angle_deg: i32) -> Option<Sense> {
        self.state = state;
        self.progress = (angle_deg, now_ms);
        None
    }

    /// Switches off; gives what to tell the lock.
    fn rest(&mut self, angle_deg: i32, tell: fn(i16) -> Sense) -> Sense {
        self.state = State::Rest { told_deg: angle_deg };
        let at_deg = self.zero_deg.map(|zero_deg| angle_deg.saturating_sub(zero_deg));
        at_deg
            .and_then(|at_deg| i16::try_from(at_deg).ok())
            .map_or(Sense::Lost, tell)
    }
}

fn away(one_deg: i32, other_deg: i32) -> i32 {
    one_deg.saturating_sub(other_deg).saturating_abs()
}

/// The lock, as its motor sees it.
#[expect(
    async_fn_in_trait,
    reason = "no executor of ours moves futures between threads"
)]
pub trait Mind {
    /// The next command, once there is one.
    async fn command(&self) -> MotorCommand;
    /// Takes in what the motor tells. Gives where the bolt is believed to stand afterwards.
    fn sense(&self, sense: Sense) -> Option<i16>;
}

/// Runs the motor for good.
pub async fn run<B: Bridge>(mut bridge: B, mind: &impl Mind) -> ! {
    let angle_deg = bridge.angle_deg();
    let mut mover = Mover::new(B::ABSOLUTE, now_ms(), angle_deg);
    loop {
        let command = match select(mind.command(), wait(&mut bridge, &mover)).await {
            Either::First(command) => Some(command),
            Either::Second(()) => None,
        };
        let (now_ms, angle_deg) = (now_ms(), bridge.angle_deg());
        let sense = match (command, bridge.fault()) {
            (Some(command), _) => mover.command(command, now_ms, angle_deg),
            (None, Some(fault)) if mover.is_driving() => mover.fail(fault, angle_deg),
            (None, _) => mover.step(now_ms, angle_deg),
        };
        bridge.drive(mover.power());
        if let Some(at_deg) = sense.and_then(|sense| mind.sense(sense)) {
            mover.believe(at_deg, angle_deg);
        }
    }
}

/// Until the motor wants to be looked at.
fn wait<'b>(bridge: &'b mut impl Bridge, mover: &Mover) -> impl Future<Output = ()> + 'b {
    let driving = mover.is_driving();
    let angle_deg = bridge.angle_deg();
    let settled = mover.is_settled(angle_deg);
    async move {
        match (driving, settled) {
            (true, _) => Timer::after(STEP).await,
            (false, false) => Timer::after(LOOK).await,
            (false, true) => bridge.turned().await,
        }
    }
}

fn now_ms() -> u64 {
    Instant::now().as_millis()
}

#[cfg(test)]
mod tests;
