//! The loop against a bolt that obeys, one that is jammed, and hands that turn it.
#![allow(
    clippy::arithmetic_side_effects,
    reason = "an overflow in a test fails the test"
)]

use proptest::prelude::*;

use super::*;

/// A bolt between its stops, as seen by a sensor that began to count anywhere.
struct Bolt {
    at_deg: i32,
    total_deg: i32,
    sensor_zero_deg: i32,
    jammed_at_deg: Option<i32>,
}

const LATCH_DEG: i32 = -90;
/// What a motor turns in one step.
const STEP_DEG: i32 = 2;
const STEP_MS: u64 = 5;

impl Bolt {
    fn at(at_deg: i32) -> Self {
        Self {
            at_deg,
            total_deg: 720,
            sensor_zero_deg: 0,
            jammed_at_deg: None,
        }
    }

    fn angle_deg(&self) -> i32 {
        self.sensor_zero_deg + self.at_deg
    }

    fn turn(&mut self, power: Power) {
        let (from_deg, step_deg) = match power {
            Power::Off => return,
            Power::Gentle(Way::Lock) | Power::Full(Way::Lock) => (LATCH_DEG, STEP_DEG),
            Power::Full(Way::Unlock) => (LATCH_DEG, -STEP_DEG),
            // The spring is stronger.
            Power::Gentle(Way::Unlock) => (0, -STEP_DEG),
        };
        let next = (self.at_deg + step_deg).clamp(from_deg.min(self.at_deg), self.total_deg);
        let jam = self
            .jammed_at_deg
            .is_some_and(|jam| (self.at_deg < jam) != (next < jam));
        if !jam {
            self.at_deg = next;
        }
    }
}

struct Bench {
    bolt: Bolt,
    mover: Mover,
    now_ms: u64,
}

impl Bench {
    fn new(bolt: Bolt, absolute: bool) -> Self {
        let mover = Mover::new(absolute, 0, bolt.angle_deg());
        Self {
            bolt,
            mover,
            now_ms: 0,
        }
    }

    /// Gives a command and lets time pass until the motor tells something.
    fn ask(&mut self, command: MotorCommand) -> Sense {
        let told = self.mover.command(command, self.now_ms, self.bolt.angle_deg());
        told.or_else(|| self.wait(60_000))
            .expect("the motor says nothing")
    }

    fn wait(&mut self, for_ms: u64) -> Option<Sense> {
        let until_ms = self.now_ms + for_ms;
        while self.now_ms < until_ms {
            self.now_ms += STEP_MS;
            self.bolt.turn(self.mover.power());
            if let Some(sense) = self.mover.step(self.now_ms, self.bolt.angle_deg()) {
                return Some(sense);
            }
        }
        None
    }
}

fn turn(to_deg: i16) -> MotorCommand {
    MotorCommand::Turn { to_deg }
}

#[test]
fn goes_where_it_is_told_and_says_so() {
    let mut bench = Bench::new(Bolt::at(0), true);
    for to_deg in [720, 360, 0, -90, 0, 0] {
        assert_eq!(bench.ask(turn(to_deg)), Sense::Reached(to_deg));
        assert_eq!(bench.mover.power(), Power::Off);
        assert_eq!(bench.bolt.at_deg, to_deg.into());
    }
}

#[test]
fn a_look_at_the_angle_that_comes_late_draws_no_latch() {
    let mut bench = Bench::new(Bolt::at(720), true);
    bench.mover.command(turn(0), 0, 720);
    for _ in 0..10_000 {
        bench.bolt.turn(bench.mover.power());
    }
    assert_eq!(bench.bolt.at_deg, 0);
    assert_eq!(bench.wait(STEP_MS), Some(Sense::Reached(0)));
}

#[test]
fn a_stop_that_is_met_a_little_early_is_met() {
    let mut bench = Bench::new(Bolt::at(360), false);
    bench.mover.believe(362, 360);
    assert_eq!(bench.ask(turn(0)), Sense::Reached(2));
}

#[test]
fn jammed_motor_is_switched_off_and_goes_on_when_it_is_free() {
    let mut bench = Bench::new(Bolt::at(0), true);
    bench.bolt.jammed_at_deg = Some(200);
    let Sense::Blocked(at_deg) = bench.ask(turn(720)) else {
        panic!("it did not notice")
    };
    assert!((190..=200).contains(&at_deg), "{at_deg}");
    assert_eq!(bench.mover.power(), Power::Off);
    bench.bolt.jammed_at_deg = None;
    assert_eq!(bench.ask(turn(0)), Sense::Reached(0));
}

#[test]
fn dead_sensor_does_not_burn_the_motor() {
    let mut mover = Mover::new(true, 0, 0);
    assert_eq!(mover.command(turn(360), 0, 0), None);
    assert_eq!(mover.step(STALL_MS - 1, 0), None);
    assert_eq!(mover.step(STALL_MS, 0), Some(Sense::Blocked(0)));
    assert_eq!(mover.power(), Power::Off);
}

#[test]
fn both_stops_are_found_by_gentle_power() {
    for (at_deg, sensor_zero_deg, absolute) in [
        (400, 0, true),
        (0, 0, true),
        (720, 1_234, false),
        (30, -999, false),
    ] {
        let mut bolt = Bolt::at(at_deg);
        bolt.sensor_zero_deg = sensor_zero_deg;
        let mut bench = Bench::new(bolt, absolute);
        assert_eq!(bench.ask(MotorCommand::Calibrate), Sense::Calibrated(720));
        assert!(bench.bolt.at_deg.abs() < PROGRESS_DEG, "{}", bench.bolt.at_deg);
        assert_eq!(bench.ask(turn(720)), Sense::Reached(720));
        assert_eq!(bench.bolt.at_deg, 720);
    }
}

#[test]
fn without_a_reference_nothing_is_claimed_and_nothing_moves() {
    let mut bolt = Bolt::at(360);
    bolt.sensor_zero_deg = -360;
    let mut bench = Bench::new(bolt, false);
    assert_eq!(bench.ask(MotorCommand::Locate), Sense::Lost);
    assert_eq!(bench.ask(turn(0)), Sense::Lost);
    assert_eq!(bench.bolt.at_deg, 360);
    bench.mover.believe(360, bench.bolt.angle_deg());
    assert_eq!(bench.ask(MotorCommand::Locate), Sense::Reached(360));
    assert_eq!(bench.ask(turn(0)), Sense::Reached(0));
    assert_eq!(bench.bolt.at_deg, 0);
}

#[test]
fn hand_at_the_knob_is_told_once_it_has_let_go() {
    let mut bench = Bench::new(Bolt::at(0), true);
    for at_deg in (0..=360).step_by(20) {
        bench.bolt.at_deg = at_deg;
        assert_eq!(bench.wait(50), None, "at {at_deg}");
    }
    assert_eq!(bench.wait(1_000), Some(Sense::Turned(360)));
    assert_eq!(bench.wait(10_000), None, "told once");
    bench.bolt.at_deg = 355;
    assert_eq!(bench.wait(10_000), None, "play in the knob is no turn");
}

#[test]
fn stop_stops_where_it_is() {
    let mut bench = Bench::new(Bolt::at(0), true);
    bench.mover.command(turn(720), 0, 0);
    bench.wait(500);
    let at_deg = i16::try_from(bench.bolt.at_deg).unwrap();
    assert!(at_deg > 0);
    assert_eq!(bench.ask(MotorCommand::Stop), Sense::Reached(at_deg));
    assert_eq!(bench.wait(5_000), None);
    assert_eq!(bench.bolt.at_deg, at_deg.into());
}

proptest! {
    /// Whatever it is told, in whatever state, a driven motor is either there in time or switched off.
    #[test]
    fn motor_never_runs_on(
        commands in prop::collection::vec((0..5u8, -2000..2000i16, 0..3_000u64), 1..12),
        jam in prop::option::of(-80..700i32),
        at_deg in 0..720i32,
        absolute: bool,
    ) {
        let mut bench = Bench::new(Bolt::at(at_deg), absolute);
        bench.bolt.jammed_at_deg = jam;
        for (kind, to_deg, for_ms) in commands {
            let command = match kind {
                0 => MotorCommand::Stop,
                1 => MotorCommand::Calibrate,
                2 => MotorCommand::Locate,
                _ => turn(to_deg),
            };
            bench.mover.command(command, bench.now_ms, bench.bolt.angle_deg());
            bench.wait(for_ms);
        }
        // The longest way there is, three times, and what it takes to notice each end.
        for _ in 0..4 {
            bench.wait(10_000);
        }
        prop_assert_eq!(bench.mover.power(), Power::Off);
    }
}
