//! The lock app for the nRF52840: wires the chip's devices to the lock's tasks. [`board`] says which pin is what.
//!
//! Compiled, linked and size-checked; it has never run on the chip. The radio's controller is Nordic's SoftDevice
//! Controller. There is no network, so updates come by phone.
#![no_std]
#![no_main]
#![forbid(unsafe_code)]

mod board;
mod motor;
mod senses;

use core::panic::PanicInfo;

use embassy_executor::Spawner;
use embassy_nrf::config::{Config, LfclkSource};
use embassy_nrf::gpio::{Input, Level, Output, OutputDrive, Pull};
use embassy_nrf::interrupt::Priority;
use embassy_nrf::mode::Blocking;
use embassy_nrf::peripherals::{QDEC, RNG, UARTE0};
use embassy_nrf::pwm::{SimpleConfig, SimplePwm};
use embassy_nrf::qdec::{self, Qdec};
use embassy_nrf::rng::Rng;
use embassy_nrf::saadc::{self, ChannelConfig, Saadc};
use embassy_nrf::uarte::{self, Uarte};
use embassy_nrf::{Peri, bind_interrupts};
use latchkey_board_nrf52840::radio_flash::{self, RadioFlash};
use latchkey_board_nrf52840::{Retained, Watchdog, stop};
use latchkey_firmware::start::{self, NoStart};
use latchkey_firmware::trial;
use latchkey_firmware::watch::{self, Pulse};
use latchkey_firmware::{Board, Keeper, radio};
use nrf_mpsl::{MultiprotocolServiceLayer, SessionMem, raw};
use nrf_sdc::SoftdeviceController;
use nrf_sdc::vendor::ZephyrWriteBdAddr;
use static_cell::StaticCell;

use board::Nrf52840;
use motor::HallBridge;
use senses::Contacts;

bind_interrupts!(struct Interrupts {
    UARTE0 => uarte::InterruptHandler<UARTE0>;
    QDEC => qdec::InterruptHandler<QDEC>;
    SAADC => saadc::InterruptHandler;
    EGU0_SWI0 => nrf_mpsl::LowPrioInterruptHandler;
    CLOCK_POWER => nrf_mpsl::ClockInterruptHandler;
    RADIO => nrf_mpsl::HighPrioInterruptHandler;
    TIMER0 => nrf_mpsl::HighPrioInterruptHandler;
    RTC0 => nrf_mpsl::HighPrioInterruptHandler;
});

/// The radio's software's own memory for links, in bytes; it says at start when that is too little.
const RADIO_MEMORY: usize = 16 * 1024;
/// The longest link-layer payload.
const OCTETS: u16 = 251;
/// Packets that wait for each link, in each direction.
const PACKETS: u8 = 3;

/// The lock, as its tasks share it.
type Lock = Keeper<'static, Nrf52840>;

static TRIAL_ALIVE: Pulse = Pulse::new();
static MOTOR_ALIVE: Pulse = Pulse::new();
static LOCK_ALIVE: Pulse = Pulse::new();
static RADIO_ALIVE: Pulse = Pulse::new();
static ALL_ALIVE: [&Pulse; 4] = [&TRIAL_ALIVE, &MOTOR_ALIVE, &LOCK_ALIVE, &RADIO_ALIVE];
/// The one task of a lock that cannot start.
static ONE_ALIVE: [&Pulse; 1] = [&LOCK_ALIVE];

#[embassy_executor::main]
async fn main(spawner: Spawner) {
    if begin(spawner).is_err() {
        stop::reset();
    }
}

/// Something of the chip is not there, or taken. The watchdog and the bootloader know what to do.
struct Unable;

/// Brings the devices up and the tasks to life. Never inlined: what it builds would stay in the main task.
#[inline(never)]
fn begin(spawner: Spawner) -> Result<(), Unable> {
    static BOARD: StaticCell<Nrf52840> = StaticCell::new();
    static LOCK: StaticCell<Lock> = StaticCell::new();
    static RANDOM: StaticCell<Rng<'static, Blocking>> = StaticCell::new();

    let mut config = Config::default();
    // The radio's software has the highest priorities and the clocks.
    config.gpiote_interrupt_priority = Priority::P2;
    config.time_interrupt_priority = Priority::P2;
    config.lfclk_source = LfclkSource::ExternalXtal;
    let devices = embassy_nrf::init(config);
    let mpsl_devices = nrf_mpsl::Peripherals::new(
        devices.RTC0,
        devices.TIMER0,
        devices.TEMP,
        devices.PPI_CH19,
        devices.PPI_CH30,
        devices.PPI_CH31,
    );
    let mpsl = start_mpsl(mpsl_devices)?;
    spawner.spawn(keep_house(mpsl).map_err(|_| Unable)?);
    let console = Uarte::new(
        devices.UARTE0,
        devices.P0_08,
        devices.P0_06,
        Interrupts,
        uarte::Config::default(),
    );
    let random = RANDOM.init(new_random(devices.RNG));
    let flash = RadioFlash::new(mpsl, devices.NVMC);
    let retained = Retained::take().ok_or(Unable)?;
    let board = BOARD.init(Nrf52840::new(flash, console, retained, random));
    let battery = ChannelConfig::single_ended(devices.P0_02);
    let senses = Contacts::new(
        board,
        Input::new(devices.P0_11, Pull::Up),
        Input::new(devices.P1_01, Pull::Up),
        Saadc::new(devices.SAADC, Interrupts, saadc::Config::default(), [battery]),
    );
    let bridge = HallBridge::new(
        SimplePwm::new_2ch(
            devices.PWM0,
            devices.P0_26,
            devices.P0_27,
            &SimpleConfig::default(),
        ),
        Output::new(devices.P1_10, Level::Low, OutputDrive::Standard),
        Input::new(devices.P1_11, Pull::Up),
        Qdec::new(
            devices.QDEC,
            Interrupts,
            devices.P0_30,
            devices.P0_31,
            qdec::Config::default(),
        ),
    );
    let lamp = Output::new(devices.P0_13, Level::High, OutputDrive::Standard);

    let lock = match start::begin(board, None) {
        Ok(begun) => LOCK.init(Keeper::new(board, begun)),
        Err(why) => {
            spawner.spawn(watchdog(&ONE_ALIVE).map_err(|_| Unable)?);
            spawner.spawn(give_up(board, why, senses).map_err(|_| Unable)?);
            return Ok(());
        }
    };
    let sdc_devices = nrf_sdc::Peripherals::new(
        devices.PPI_CH17,
        devices.PPI_CH18,
        devices.PPI_CH20,
        devices.PPI_CH21,
        devices.PPI_CH22,
        devices.PPI_CH23,
        devices.PPI_CH24,
        devices.PPI_CH25,
        devices.PPI_CH26,
        devices.PPI_CH27,
        devices.PPI_CH28,
        devices.PPI_CH29,
    );
    let controller = start_controller(sdc_devices, random, mpsl)?;
    spawner.spawn(radio(controller, board, lock).map_err(|_| Unable)?);
    spawner.spawn(keep_time(lock).map_err(|_| Unable)?);
    spawner.spawn(perceive(senses, lock).map_err(|_| Unable)?);
    spawner.spawn(turn(bridge, lock).map_err(|_| Unable)?);
    spawner.spawn(light(lamp, lock).map_err(|_| Unable)?);
    spawner.spawn(confirm(board, lock).map_err(|_| Unable)?);
    spawner.spawn(watchdog(&ALL_ALIVE).map_err(|_| Unable)?);
    Ok(())
}

fn new_random(device: Peri<'static, RNG>) -> Rng<'static, Blocking> {
    Rng::new_blocking(device)
}

/// What shares the radio, the clocks and the flash between the radio's protocols and us.
fn start_mpsl(
    devices: nrf_mpsl::Peripherals<'static>,
) -> Result<&'static MultiprotocolServiceLayer<'static>, Unable> {
    static MPSL: StaticCell<MultiprotocolServiceLayer<'static>> = StaticCell::new();
    static SESSIONS: StaticCell<SessionMem<1>> = StaticCell::new();

    // The board has a crystal of 32,768 Hz.
    let clock = raw::mpsl_clock_lfclk_cfg_t {
        source: raw::MPSL_CLOCK_LF_SRC_XTAL as u8,
        rc_ctiv: 0,
        rc_temp_ctiv: 0,
        accuracy_ppm: 50,
        skip_wait_lfclk_started: false,
    };
    let sessions = SESSIONS.init(SessionMem::new());
    let mpsl = MultiprotocolServiceLayer::with_timeslots(devices, Interrupts, clock, sessions);
    Ok(MPSL.init(mpsl.map_err(|_| Unable)?))
}

/// The Bluetooth controller: advertises, and is the peripheral of as many clients as the lock takes.
fn start_controller(
    devices: nrf_sdc::Peripherals<'static>,
    random: &'static mut Rng<'static, Blocking>,
    mpsl: &'static MultiprotocolServiceLayer<'static>,
) -> Result<SoftdeviceController<'static>, Unable> {
    static MEMORY: StaticCell<nrf_sdc::Mem<RADIO_MEMORY>> = StaticCell::new();

    let links = u8::try_from(radio::LINKS).map_err(|_| Unable)?;
    nrf_sdc::Builder::new()
        .map_err(|_| Unable)?
        .support_adv()
        .support_peripheral()
        .support_dle_peripheral()
        .support_le_2m_phy()
        .support_phy_update_peripheral()
        .peripheral_count(links)
        .map_err(|_| Unable)?
        .buffer_cfg(OCTETS, OCTETS, PACKETS, PACKETS)
        .map_err(|_| Unable)?
        .build(devices, random, mpsl, MEMORY.init(nrf_sdc::Mem::new()))
        .map_err(|_| Unable)
}

#[embassy_executor::task]
async fn watchdog(pulses: &'static [&'static Pulse]) {
    let mut watchdog = Watchdog::running();
    watch::guard(pulses, || watchdog.feed()).await
}

#[embassy_executor::task]
async fn keep_house(mpsl: &'static MultiprotocolServiceLayer<'static>) {
    radio_flash::keep_house(mpsl).await
}

#[embassy_executor::task]
async fn give_up(board: &'static Nrf52840, why: NoStart, mut senses: Contacts) {
    start::give_up(board, why, &mut senses, &LOCK_ALIVE).await
}

#[embassy_executor::task]
async fn keep_time(lock: &'static Lock) {
    LOCK_ALIVE.during(lock.keep_time()).await
}

#[embassy_executor::task]
async fn perceive(mut senses: Contacts, lock: &'static Lock) {
    lock.perceive(&mut senses).await
}

#[embassy_executor::task]
async fn turn(bridge: HallBridge, lock: &'static Lock) {
    MOTOR_ALIVE
        .during(latchkey_firmware::motor::run(bridge, lock))
        .await
}

/// The lamp is lit while the lock takes new clients.
#[embassy_executor::task]
async fn light(mut lamp: Output<'static>, lock: &'static Lock) {
    loop {
        lamp.set_level(Level::from(!lock.is_inviting()));
        lock.lamp_changed().await;
    }
}

#[embassy_executor::task]
async fn radio(controller: SoftdeviceController<'static>, board: &'static Nrf52840, lock: &'static Lock) {
    let set_address = ZephyrWriteBdAddr::new(lock.address());
    let why = RADIO_ALIVE
        .during(radio::run(controller, set_address, &lock.presentation(), lock))
        .await;
    board.print(format_args!("radio failed: {}; restarting", why.words()));
    board.restart()
}

#[embassy_executor::task]
async fn confirm(board: &'static Nrf52840, lock: &'static Lock) {
    trial::run(board, lock, &TRIAL_ALIVE).await
}

#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    stop::reset()
}
