//! The bolt: what a goal means in degrees, how a motion goes, and how each motion ends.
//!
//! A motion is begun once, moves through its stages by what the motor tells and by time, and ends in exactly one
//! [`News::Ended`]. It knows no client: nobody needs to stay connected for it to end. Every stage has a time by
//! which it is over, so a motor that says nothing ends in [`Failure::Timeout`] and not in a wait. It refuses a
//! second motion while one is under way, and every motion before the lock is calibrated.

mod geometry;

pub use geometry::Geometry;

/// What the bolt is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Goal {
    /// To where the door opens with its handle.
    Unlock,
    /// To the lock's usual locked place: one turn where single locking is set, else all turns.
    Lock,
    /// All turns.
    FullLock,
    /// Draw the latch, hold it, and return to unlocked.
    Unlatch,
    /// Find both stops and count the degrees between.
    Calibrate,
    /// Find out where the bolt stands, after a start.
    Locate,
}

/// What the motor is told. Degrees count from the unlocked stop towards locked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MotorCommand {
    /// Turn there; then [`Sense::Reached`] or a failure.
    Turn {
        /// Where to, in degrees.
        to_deg: i16,
    },
    /// Stop where you are; then [`Sense::Reached`] with that place.
    Stop,
    /// Turn to both stops; then [`Sense::Calibrated`] or a failure.
    Calibrate,
    /// Say where you stand: [`Sense::Reached`], or [`Sense::Lost`] when that cannot be told without turning.
    Locate,
}

/// What the motor and its angle sensor tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sense {
    /// The command is carried out; the bolt stands here.
    Reached(i16),
    /// Somebody turned the bolt by hand to here.
    Turned(i16),
    /// The bolt does not move on; it stands here.
    Blocked(i16),
    /// The stops lie this far apart; the bolt stands at the unlocked one.
    Calibrated(u16),
    /// Where the bolt stands cannot be told.
    Lost,
    /// The motor had to give up.
    Failed(MotorFault),
}

/// Why a motor gives up by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MotorFault {
    /// The battery's voltage broke down under the motor.
    LowVoltage,
    /// The clutch does not hold.
    Clutch,
    /// The motor gets no power.
    Power,
}

/// How a motion can fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The bolt did not move on.
    Blocked,
    /// Somebody stopped it at the lock.
    Canceled,
    /// The motor did not say in time that it is done.
    Timeout,
    /// The motor gave up.
    Motor(MotorFault),
}

/// Why a motion does not begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoMotion {
    /// Another one is under way.
    Busy,
    /// The lock does not know its stops yet.
    NotCalibrated,
}

/// Where the bolt is, or what it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stand {
    /// The stops are not known.
    Uncalibrated,
    /// Being found out after a start.
    Locating,
    /// It stands somewhere.
    Undefined,
    /// Locked.
    Locked,
    /// Unlocked.
    Unlocked,
    /// The latch is drawn.
    Unlatched,
    /// On the way to locked.
    Locking,
    /// On the way to unlocked.
    Unlocking,
    /// On the way to drawing the latch.
    Unlatching,
    /// It stood against something and did not move on.
    Blocked,
    /// The stops are being found.
    Calibrating,
}

/// What came of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum News {
    /// [`Bolt::stand`] changed; the motion goes on, or it was over and its end is told late.
    Changed,
    /// Somebody turned the bolt by hand; [`Bolt::stand`] changed.
    Turned,
    /// The motion is over.
    Ended(Result<(), Failure>),
}

/// What of the bolt must outlive a loss of power.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Kept {
    /// Degrees between the stops; `None` before calibration.
    pub total_deg: Option<u16>,
    /// Where it stands; `None` while it moves.
    pub at_deg: Option<i16>,
}

/// The slowest that a healthy motor turns.
const SLOWEST_DEG_PER_S: u64 = 60;
/// What a motor may take on top of that, in milliseconds.
const MARGIN_MS: u64 = 5_000;
/// How long a calibration may take, in milliseconds.
const CALIBRATION_MS: u64 = 120_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Turning to the goal's first place.
    Turning(Goal),
    /// Holding the latch.
    Holding,
    /// Returning from holding the latch.
    Returning,
    /// Stopping because somebody said so.
    Stopping,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Motion {
    stage: Stage,
    until_ms: u64,
}

/// See the module's header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bolt {
    geometry: Geometry,
    at_deg: Option<i16>,
    stand: Stand,
    motion: Option<Motion>,
    command: Option<MotorCommand>,
    /// What is believed when the motor is lost after a start.
    remembered_deg: Option<i16>,
}

impl Bolt {
    /// The bolt after a start, about to be located. `kept` is what was stored of it.
    #[must_use]
    pub fn start(geometry: Geometry, kept: Kept, now_ms: u64) -> Self {
        let mut bolt = Self {
            geometry,
            at_deg: None,
            stand: Stand::Uncalibrated,
            motion: None,
            command: None,
            remembered_deg: kept.at_deg,
        };
        if bolt.geometry.total_deg.is_some() {
            bolt.enter(
                Stage::Turning(Goal::Locate),
                MotorCommand::Locate,
                Stand::Locating,
                now_ms,
            );
        }
        bolt
    }

    /// Where the bolt is, or what it does.
    #[must_use]
    pub fn stand(&self) -> Stand {
        self.stand
    }

    /// Whether a motion is under way.
    #[must_use]
    pub fn is_moving(&self) -> bool {
        self.motion.is_some()
    }

    /// What to store of it now.
    #[must_use]
    pub fn kept(&self) -> Kept {
        Kept {
            total_deg: self.geometry.total_deg,
            at_deg: if self.is_moving() { None } else { self.at_deg },
        }
    }

    /// The places in degrees, as configured now.
    #[must_use]
    pub fn geometry(&self) -> &Geometry {
        &self.geometry
    }

    /// Takes new offsets. The stops and a motion under way stay as they are.
    pub fn configure(&mut self, geometry: Geometry) {
        self.geometry = Geometry {
            total_deg: self.geometry.total_deg,
            ..geometry
        };
        if let (Stand::Locked | Stand::Unlocked | Stand::Unlatched, None, Some(at_deg)) =
            (self.stand, self.motion, self.at_deg)
        {
            self.rest_at(at_deg);
        }
    }

    /// When [`Bolt::tick`] wants to be called.
    #[must_use]
    pub fn deadline(&self) -> Option<u64> {
        self.motion.map(|motion| motion.until_ms)
    }

    /// The next thing to tell the motor. To be asked after every event until there is none.
    pub fn take_command(&mut self) -> Option<MotorCommand> {
        self.command.take()
    }

    /// Whether the bolt stands where this goal leads, so that there is nothing to do.
    #[must_use]
    pub fn is_at(&self, goal: Goal) -> bool {
        let there = match goal {
            Goal::Unlock => self.stand == Stand::Unlocked,
            Goal::Lock | Goal::FullLock => {
                let at_deg = self.at_deg.filter(|_| self.stand == Stand::Locked);
                at_deg.is_some_and(|at_deg| self.geometry.is_locked_as_far_as(goal, at_deg))
            }
            Goal::Unlatch | Goal::Calibrate | Goal::Locate => false,
        };
        there && !self.is_moving()
    }

    /// Begins a motion.
    ///
    /// # Errors
    /// [`NoMotion`], with everything as before.
    pub fn begin(&mut self, goal: Goal, now_ms: u64) -> Result<(), NoMotion> {
        if self.is_moving() {
            return Err(NoMotion::Busy);
        }
        if goal == Goal::Calibrate {
            self.enter(
                Stage::Turning(goal),
                MotorCommand::Calibrate,
                Stand::Calibrating,
                now_ms,
            );
            return Ok(());
        }
        let to_deg = self.geometry.place(goal).ok_or(NoMotion::NotCalibrated)?;
        let (command, stand) = match goal {
            Goal::Unlock => (MotorCommand::Turn { to_deg }, Stand::Unlocking),
            Goal::Lock | Goal::FullLock => (MotorCommand::Turn { to_deg }, Stand::Locking),
            Goal::Unlatch => (MotorCommand::Turn { to_deg }, Stand::Unlatching),
            Goal::Calibrate => (MotorCommand::Calibrate, Stand::Calibrating),
            Goal::Locate => (MotorCommand::Locate, Stand::Locating),
        };
        self.enter(Stage::Turning(goal), command, stand, now_ms);
        Ok(())
    }

    /// Takes back a motion that has just begun, before the motor was told.
    pub fn abandon(&mut self) {
        self.motion = None;
        self.command = None;
        match self.at_deg {
            Some(at_deg) => self.rest_at(at_deg),
            None => self.stand = Stand::Undefined,
        }
    }

    /// Stops the motion under way, if there is one.
    pub fn cancel(&mut self, now_ms: u64) {
        let Some(motion) = self.motion else { return };
        match motion.stage {
            // Nothing turns, or it is over in a moment.
            Stage::Stopping | Stage::Turning(Goal::Locate) => {}
            // The latch is let go of at once.
            Stage::Holding => self.return_from_latch(now_ms),
            Stage::Turning(_) | Stage::Returning => {
                let stand = self.stand;
                self.enter(Stage::Stopping, MotorCommand::Stop, stand, now_ms);
            }
        }
    }

    /// The time of [`Bolt::deadline`] has come.
    pub fn tick(&mut self, now_ms: u64) -> Option<News> {
        let motion = self.motion.filter(|motion| motion.until_ms <= now_ms)?;
        match motion.stage {
            Stage::Holding => {
                self.return_from_latch(now_ms);
                Some(News::Changed)
            }
            Stage::Turning(Goal::Locate) => Some(self.lost()),
            Stage::Turning(_) | Stage::Returning => {
                self.command = Some(MotorCommand::Stop);
                Some(self.end_lost(Failure::Timeout))
            }
            Stage::Stopping => Some(self.end_lost(Failure::Canceled)),
        }
    }

    /// Takes in what the motor tells.
    pub fn sense(&mut self, sense: Sense, now_ms: u64) -> Option<News> {
        let Some(motion) = self.motion else {
            return self.sense_at_rest(sense);
        };
        match (sense, motion.stage) {
            // Hands may help while the motor turns; the motor says in the end where it stands.
            (Sense::Turned(_), _) => None,
            (Sense::Reached(at_deg), stage) => self.reached(at_deg, stage, now_ms),
            (Sense::Calibrated(total_deg), Stage::Turning(Goal::Calibrate)) => {
                self.geometry.total_deg = Some(total_deg);
                Some(self.end_at(0, Ok(())))
            }
            (Sense::Blocked(at_deg), _) => {
                self.end_at(at_deg, Ok(()));
                self.stand = Stand::Blocked;
                Some(News::Ended(Err(Failure::Blocked)))
            }
            (Sense::Lost, Stage::Turning(Goal::Locate)) => Some(self.lost()),
            (Sense::Lost, _) => Some(self.end_lost(Failure::Blocked)),
            (Sense::Failed(fault), _) => Some(self.end_lost(Failure::Motor(fault))),
            // Not what was asked for.
            (Sense::Calibrated(_), _) => None,
        }
    }

    fn sense_at_rest(&mut self, sense: Sense) -> Option<News> {
        let (at_deg, news) = match sense {
            Sense::Turned(at_deg) => (at_deg, News::Turned),
            // A motor that was stopped by a time-out says late where it stands.
            Sense::Reached(at_deg) => (at_deg, News::Changed),
            Sense::Blocked(_) | Sense::Calibrated(_) | Sense::Lost | Sense::Failed(_) => return None,
        };
        let before = self.stand;
        self.rest_at(at_deg);
        (self.stand != before).then_some(news)
    }

    fn reached(&mut self, at_deg: i16, stage: Stage, now_ms: u64) -> Option<News> {
        match stage {
            Stage::Turning(Goal::Unlatch) => {
                self.at_deg = Some(at_deg);
                self.stand = Stand::Unlatched;
                self.motion = Some(Motion {
                    stage: Stage::Holding,
                    until_ms: now_ms.saturating_add(self.geometry.hold_ms()),
                });
                Some(News::Changed)
            }
            Stage::Turning(Goal::Calibrate) | Stage::Holding => None,
            Stage::Turning(Goal::Unlock | Goal::Lock | Goal::FullLock | Goal::Locate) | Stage::Returning => {
                Some(self.end_at(at_deg, Ok(())))
            }
            Stage::Stopping => Some(self.end_at(at_deg, Err(Failure::Canceled))),
        }
    }

    fn return_from_latch(&mut self, now_ms: u64) {
        let to_deg = self.geometry.place(Goal::Unlock).unwrap_or(0);
        self.enter(
            Stage::Returning,
            MotorCommand::Turn { to_deg },
            Stand::Unlocking,
            now_ms,
        );
    }

    fn lost(&mut self) -> News {
        match self.remembered_deg {
            Some(at_deg) => self.end_at(at_deg, Ok(())),
            None => self.end_lost(Failure::Timeout),
        }
    }

    fn end_at(&mut self, at_deg: i16, result: Result<(), Failure>) -> News {
        self.motion = None;
        self.rest_at(at_deg);
        News::Ended(result)
    }

    fn end_lost(&mut self, failure: Failure) -> News {
        self.motion = None;
        self.at_deg = None;
        self.stand = Stand::Undefined;
        News::Ended(Err(failure))
    }

    fn rest_at(&mut self, at_deg: i16) {
        self.at_deg = Some(at_deg);
        self.stand = self.geometry.stand_at(at_deg);
    }

    fn enter(&mut self, stage: Stage, command: MotorCommand, stand: Stand, now_ms: u64) {
        let for_ms = match command {
            MotorCommand::Turn { to_deg } => self.travel_ms(to_deg),
            MotorCommand::Stop | MotorCommand::Locate => MARGIN_MS,
            MotorCommand::Calibrate => CALIBRATION_MS,
        };
        self.motion = Some(Motion {
            stage,
            until_ms: now_ms.saturating_add(for_ms),
        });
        self.command = Some(command);
        self.stand = stand;
    }

    /// How long a turn may take.
    fn travel_ms(&self, to_deg: i16) -> u64 {
        // From the far end when it is not known where the bolt stands.
        let whole = i32::from(self.geometry.total_deg.unwrap_or(u16::MAX));
        let distance = self
            .at_deg
            .map_or(whole, |at| i32::from(at).saturating_sub(to_deg.into()));
        u64::from(distance.unsigned_abs())
            .saturating_mul(1_000)
            .checked_div(SLOWEST_DEG_PER_S)
            .unwrap_or(0)
            .saturating_add(MARGIN_MS)
    }
}

#[cfg(test)]
mod tests;
