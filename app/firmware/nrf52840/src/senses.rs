//! Button, door contact and battery.

use embassy_futures::select::{Either3, select3};
use embassy_nrf::gpio::Input;
use embassy_nrf::saadc::Saadc;
use embassy_time::{Duration, Instant, Timer};
use latchkey_firmware::Senses;
use latchkey_lock::lock::{BatteryLevel, DoorSense, Event};

use crate::board::Nrf52840;

/// For how long a contact bounces.
const BOUNCE: Duration = Duration::from_millis(20);
/// How often the battery is measured.
const MEASURE: Duration = Duration::from_secs(600);
/// What full scale of the converter is: reference 0.6 V, gain 1/6, 12 bits, and a divider by four before it.
const FULL_SCALE_MV: i32 = 3_600 * 4;
const FULL_SCALE: i32 = 1 << 12;
/// What four alkaline cells give, empty and full.
const EMPTY_MV: i32 = 4_200;
const FULL_MV: i32 = 6_200;

/// What the lock perceives.
pub(crate) struct Contacts {
    board: &'static Nrf52840,
    button: Input<'static>,
    pressed: bool,
    reed: Input<'static>,
    /// The door as it was last told.
    closed: Option<bool>,
    converter: Saadc<'static, 1>,
    measure_at: Instant,
}

impl Contacts {
    pub(crate) fn new(
        board: &'static Nrf52840,
        button: Input<'static>,
        reed: Input<'static>,
        converter: Saadc<'static, 1>,
    ) -> Self {
        Self {
            board,
            button,
            pressed: false,
            reed,
            closed: None,
            converter,
            measure_at: Instant::now(),
        }
    }

    async fn measure(&mut self) -> BatteryLevel {
        let mut sample = [0; 1];
        self.converter.sample(&mut sample).await;
        let [sample] = sample;
        let millivolts = i32::from(sample.max(0)).saturating_mul(FULL_SCALE_MV) / FULL_SCALE;
        let above = millivolts.saturating_sub(EMPTY_MV).clamp(0, FULL_MV - EMPTY_MV);
        let level = BatteryLevel {
            percent: u8::try_from(above.saturating_mul(100) / (FULL_MV - EMPTY_MV)).unwrap_or(0),
            millivolts: u16::try_from(millivolts).unwrap_or(u16::MAX),
            charging: false,
            // The radio has the chip's thermometer; the lock's report of it is optional.
            celsius: 0,
        };
        self.board.set_battery(level);
        level
    }
}

impl Senses for Contacts {
    async fn next(&mut self) -> Event<'static> {
        loop {
            let (pressed, closed) = (self.button.is_low(), self.reed.is_low());
            if pressed != self.pressed {
                self.pressed = pressed;
                return Event::Button(pressed);
            }
            if self.closed != Some(closed) {
                self.closed = Some(closed);
                return Event::Door(if closed {
                    DoorSense::Closed
                } else {
                    DoorSense::Opened
                });
            }
            let moved = select3(
                self.button.wait_for_any_edge(),
                self.reed.wait_for_any_edge(),
                Timer::at(self.measure_at),
            );
            match moved.await {
                Either3::First(()) | Either3::Second(()) => Timer::after(BOUNCE).await,
                Either3::Third(()) => {
                    self.measure_at = Instant::now().saturating_add(MEASURE);
                    return Event::Battery(self.measure().await);
                }
            }
        }
    }
}
