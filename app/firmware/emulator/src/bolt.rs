//! The emulated bolt: what a motor, a hand and a jam do to it. It takes the time that a real one takes.

use core::cell::RefCell;

use embassy_sync::blocking_mutex::raw::NoopRawMutex;
use embassy_sync::signal::Signal;
use embassy_time::Instant;
use latchkey_board_emulator::world::World;
use latchkey_firmware::motor::{Bridge, Power, Way};
use latchkey_lock::bolt::MotorFault;

/// Degrees between the stops: two turns of the key.
pub(crate) const TOTAL_DEG: u16 = 720;
/// How far the latch can be drawn beyond the unlocked stop.
const LATCH_DEG: i32 = -90;
/// How fast the motor turns when the host does not say otherwise, in degrees a second.
pub(crate) const SPEED_DEG_S: u32 = 360;

/// The bolt, with what acts on it.
pub(crate) struct Bolt {
    physics: RefCell<Physics>,
    turned: Signal<NoopRawMutex, ()>,
}

struct Physics {
    world: World,
    speed_deg_s: u32,
    power: Power,
    jammed: bool,
    /// Where it stood when something last changed, and when that was.
    from: (i32, Instant),
}

impl Physics {
    /// Where it stands by now. It ends at a stop, and gentle power ends at the latch's spring too.
    fn at_deg(&self) -> i32 {
        let (from_deg, since) = self.from;
        let total_deg = i32::from(TOTAL_DEG);
        let (way, least_deg) = match self.power {
            Power::Off => return from_deg,
            Power::Full(way) => (way, LATCH_DEG),
            Power::Gentle(way) => (way, 0),
        };
        if self.jammed {
            return from_deg;
        }
        let turned_deg = since
            .elapsed()
            .as_millis()
            .saturating_mul(self.speed_deg_s.into())
            .checked_div(1000);
        let turned_deg = turned_deg
            .and_then(|deg| i32::try_from(deg).ok())
            .unwrap_or(i32::MAX);
        match way {
            Way::Lock => from_deg.saturating_add(turned_deg).min(total_deg),
            // Beyond the spring already, gentle power moves nothing.
            Way::Unlock => from_deg.saturating_sub(turned_deg).max(least_deg.min(from_deg)),
        }
    }

    /// The motor acts otherwise from now on. Never inlined: `cargo xtask measure` knows the motor's start by it.
    #[inline(never)]
    fn drive(&mut self, power: Power) {
        self.change(|physics| physics.power = power);
    }

    /// Changes what acts on the bolt, from now on.
    fn change(&mut self, change: impl FnOnce(&mut Self)) {
        self.from = (self.at_deg(), Instant::now());
        change(self);
        let (at_deg, _) = self.from;
        self.world.set_bolt_deg(at_deg);
    }
}

impl Bolt {
    /// The bolt where the world has it.
    pub(crate) fn new(world: World, speed_deg_s: u32) -> Self {
        let from = (world.bolt_deg(), Instant::now());
        Self {
            physics: RefCell::new(Physics {
                world,
                speed_deg_s,
                power: Power::Off,
                jammed: false,
                from,
            }),
            turned: Signal::new(),
        }
    }

    /// A hand turns it.
    pub(crate) fn turn(&self, to_deg: i32) {
        let to_deg = to_deg.clamp(LATCH_DEG, TOTAL_DEG.into());
        self.physics
            .borrow_mut()
            .change(|physics| physics.from = (to_deg, Instant::now()));
        self.turned.signal(());
    }

    /// Something holds it, or lets it go.
    pub(crate) fn jam(&self, jammed: bool) {
        self.physics
            .borrow_mut()
            .change(|physics| physics.jammed = jammed);
    }

    /// The door, as the world has it.
    pub(crate) fn door(&self) -> u32 {
        self.physics.borrow().world.door()
    }

    /// Moves the door.
    pub(crate) fn set_door(&self, door: u32) {
        self.physics.borrow_mut().world.set_door(door);
    }
}

impl Bridge for &Bolt {
    const ABSOLUTE: bool = true;

    fn drive(&mut self, power: Power) {
        let mut physics = self.physics.borrow_mut();
        if physics.power != power {
            physics.drive(power);
        }
    }

    fn angle_deg(&mut self) -> i32 {
        let mut physics = self.physics.borrow_mut();
        let at_deg = physics.at_deg();
        physics.world.set_bolt_deg(at_deg);
        at_deg
    }

    fn fault(&mut self) -> Option<MotorFault> {
        None
    }

    async fn turned(&mut self) {
        self.turned.wait().await;
    }
}
