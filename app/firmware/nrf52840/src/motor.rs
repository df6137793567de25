//! The motor bridge and the hall sensors at the spindle.

use embassy_nrf::gpio::{Input, Output};
use embassy_nrf::pac;
use embassy_nrf::pwm::{DutyCycle, SimplePwm};
use embassy_nrf::qdec::Qdec;
use embassy_time::{Duration, Timer};
use latchkey_firmware::motor::{Bridge, Power, Way};
use latchkey_lock::bolt::MotorFault;

/// Steps that the quadrature decoder counts in one turn of the spindle.
const STEPS_PER_TURN: i32 = 120;
const TURN_DEG: i32 = 360;
/// What of its power the motor gets where it is to stop at the latch's spring, in percent.
const GENTLE_PERCENT: u32 = 45;
/// How often the decoder is read while the motor is off: it counts by itself, but tells nobody.
const LOOK: Duration = Duration::from_millis(100);

const TO_LOCKED: usize = 0;
const TO_UNLOCKED: usize = 1;

/// The bridge, with its sensor.
pub(crate) struct HallBridge {
    pwm: SimplePwm<'static>,
    awake: Output<'static>,
    fault: Input<'static>,
    /// Keeps the decoder set up; it is read without waiting, through its registers.
    _decoder: Qdec<'static>,
    steps: i32,
}

impl HallBridge {
    pub(crate) fn new(
        pwm: SimplePwm<'static>,
        awake: Output<'static>,
        fault: Input<'static>,
        decoder: Qdec<'static>,
    ) -> Self {
        Self {
            pwm,
            awake,
            fault,
            _decoder: decoder,
            steps: 0,
        }
    }
}

impl Bridge for HallBridge {
    /// After a start only differences are known; where the bolt stands, the lock remembers.
    const ABSOLUTE: bool = false;

    fn drive(&mut self, power: Power) {
        let full = u32::from(self.pwm.max_duty());
        let gentle = full.saturating_mul(GENTLE_PERCENT).checked_div(100).unwrap_or(0);
        let (channel, duty) = match power {
            Power::Off => {
                self.pwm.set_duty(TO_LOCKED, DutyCycle::inverted(0));
                self.pwm.set_duty(TO_UNLOCKED, DutyCycle::inverted(0));
                self.awake.set_low();
                return;
            }
            Power::Full(Way::Lock) => (TO_LOCKED, full),
            Power::Full(Way::Unlock) => (TO_UNLOCKED, full),
            Power::Gentle(Way::Lock) => (TO_LOCKED, gentle),
            Power::Gentle(Way::Unlock) => (TO_UNLOCKED, gentle),
        };
        let other = if channel == TO_LOCKED {
            TO_UNLOCKED
        } else {
            TO_LOCKED
        };
        self.awake.set_high();
        self.pwm.set_duty(other, DutyCycle::inverted(0));
        // Inverted: high for so long in each period.
        let duty = u16::try_from(duty).unwrap_or(0);
        self.pwm.set_duty(channel, DutyCycle::inverted(duty));
    }

    fn angle_deg(&mut self) -> i32 {
        pac::QDEC.tasks_readclracc().write_value(1);
        self.steps = self
            .steps
            .saturating_add(pac::QDEC.accread().read().cast_signed());
        self.steps
            .saturating_mul(TURN_DEG)
            .checked_div(STEPS_PER_TURN)
            .unwrap_or(0)
    }

    fn fault(&mut self) -> Option<MotorFault> {
        self.fault.is_low().then_some(MotorFault::Power)
    }

    async fn turned(&mut self) {
        Timer::after(LOOK).await;
    }
}
