//! The lock app for the emulated board: wires the board's devices to the lock's tasks, and nothing else.
#![no_std]
#![no_main]
#![deny(unsafe_code)]

mod board;
mod bolt;
mod senses;

use core::fmt::Write as _;
use core::panic::PanicInfo;

use bt_hci::controller::ExternalController;
use bt_hci_serial::SerialTransport;
use embassy_executor::Spawner;
use embassy_net::{Runner, StackResources};
use embassy_sync::blocking_mutex::raw::NoopRawMutex;
use latchkey_board_emulator::console::Lines;
use latchkey_board_emulator::hci::{Receiver, Sender};
use latchkey_board_emulator::net::Ethernet;
use latchkey_board_emulator::world::World;
use latchkey_board_emulator::{Console, Watchdog, executor, hci, stop, time, trace};
use latchkey_firmware::http::{Buffers, Http};
use latchkey_firmware::radio::{self, WriteBdAddr};
use latchkey_firmware::start::{self, NoStart};
use latchkey_firmware::update::{self, Options};
use latchkey_firmware::watch::{self, Pulse};
use latchkey_firmware::{Board, Keeper, motor};
use static_cell::StaticCell;

use board::{Arguments, Emulator};
use bolt::{Bolt, TOTAL_DEG};
use senses::Typed;

/// Sockets of the network stack: DHCP, DNS, and one connection at a time, being closed and being opened.
const SOCKETS: usize = 4;
/// How many callers a panic names.
const CALLERS: usize = 8;
/// Commands to the controller at once.
const COMMANDS: usize = 4;

/// The lock, as its tasks share it.
type Lock = Keeper<'static, Emulator>;

static UPDATE_ALIVE: Pulse = Pulse::new();
static NETWORK_ALIVE: Pulse = Pulse::new();
static RADIO_ALIVE: Pulse = Pulse::new();
static MOTOR_ALIVE: Pulse = Pulse::new();
static LOCK_ALIVE: Pulse = Pulse::new();

#[allow(clippy::panic, reason = "the build that is to crash, crashes")]
#[cortex_m_rt::entry]
fn main() -> ! {
    if cfg!(feature = "fault-crash") {
        let _ = writeln!(Console::new(), "latchkey: this build crashes");
        panic!("as it was built to");
    }
    time::start();
    executor::run(|spawner| {
        if let Err(why) = start(spawner) {
            let _ = writeln!(Console::new(), "latchkey: cannot start: {why}; restarting");
            stop::reset()
        }
    })
}

/// Brings the devices up and the tasks to life. Never inlined: what it builds would stay on the stack of the executor,
/// which never returns.
#[inline(never)]
fn start(spawner: Spawner) -> Result<(), &'static str> {
    static ARGUMENTS: StaticCell<Arguments> = StaticCell::new();
    static BOARD: StaticCell<Emulator> = StaticCell::new();
    static BOLT: StaticCell<Bolt> = StaticCell::new();
    static LOCK: StaticCell<Lock> = StaticCell::new();

    let arguments = ARGUMENTS.init(Arguments::from_host()?);
    let board = BOARD.init(Emulator::take(arguments.battery_percent())?);
    let world = World::take().ok_or("the world is taken")?;
    let bolt = BOLT.init(Bolt::new(world, arguments.motor_deg_s()));
    let lines = Lines::take().ok_or("the console is taken")?;
    let senses = Typed::new(lines, board, bolt);
    let lock = match start::begin(board, Some(TOTAL_DEG)) {
        Ok(begun) => LOCK.init(Keeper::new(board, begun)),
        Err(why) => {
            spawner.spawn(watchdog(&ONE_ALIVE).map_err(|_| NO_ROOM)?);
            spawner.spawn(give_up(board, why, senses).map_err(|_| NO_ROOM)?);
            return Ok(());
        }
    };
    spawner.spawn(keep_time(lock).map_err(|_| NO_ROOM)?);
    spawner.spawn(perceive(senses, lock).map_err(|_| NO_ROOM)?);
    spawner.spawn(turn(bolt, lock).map_err(|_| NO_ROOM)?);
    start_update(spawner, board, lock, arguments)?;
    if arguments.has_radio() {
        let (receiver, sender) = hci::take().ok_or("the radio is taken")?;
        spawner.spawn(radio(receiver, sender, board, lock).map_err(|_| NO_ROOM)?);
        spawner.spawn(watchdog(&ALL_ALIVE).map_err(|_| NO_ROOM)?);
    } else {
        lock.has_no_radio();
        let [without_radio @ .., _] = &ALL_ALIVE;
        spawner.spawn(watchdog(without_radio).map_err(|_| NO_ROOM)?);
    }
    Ok(())
}

const NO_ROOM: &str = "no room for a task";
/// The one task of a lock that cannot start.
static ONE_ALIVE: [&Pulse; 1] = [&LOCK_ALIVE];
/// Every task; the radio's last, since there may be none.
static ALL_ALIVE: [&Pulse; 5] = [
    &UPDATE_ALIVE,
    &NETWORK_ALIVE,
    &MOTOR_ALIVE,
    &LOCK_ALIVE,
    &RADIO_ALIVE,
];

/// The network, and the update client over it.
fn start_update(
    spawner: Spawner,
    board: &'static Emulator,
    lock: &'static Lock,
    arguments: &'static Arguments,
) -> Result<(), &'static str> {
    static RESOURCES: StaticCell<StackResources<SOCKETS>> = StaticCell::new();
    static BUFFERS: StaticCell<Buffers> = StaticCell::new();

    let ethernet = Ethernet::take().ok_or("no Ethernet controller")?;
    let config = embassy_net::Config::dhcpv4(embassy_net::DhcpConfig::default());
    let resources = RESOURCES.init(StackResources::new());
    let (stack, runner) = embassy_net::new(ethernet, config, resources, board.random_u64());
    let http = Http::new(stack, BUFFERS.init(Buffers::new()), arguments.server());
    let options = Options {
        pace: arguments.pace(),
        never_confirm: cfg!(feature = "fault-never-confirm"),
    };
    spawner.spawn(network(runner).map_err(|_| NO_ROOM)?);
    spawner.spawn(keep_new(board, lock, http, options).map_err(|_| NO_ROOM)?);
    Ok(())
}

#[embassy_executor::task]
async fn watchdog(pulses: &'static [&'static Pulse]) {
    let mut watchdog = Watchdog::running();
    watch::guard(pulses, || watchdog.feed()).await
}

#[embassy_executor::task]
async fn give_up(board: &'static Emulator, why: NoStart, mut senses: Typed) {
    start::give_up(board, why, &mut senses, &LOCK_ALIVE).await
}

#[embassy_executor::task]
async fn keep_time(lock: &'static Lock) {
    LOCK_ALIVE.during(lock.keep_time()).await
}

#[embassy_executor::task]
async fn turn(bolt: &'static Bolt, lock: &'static Lock) {
    MOTOR_ALIVE.during(motor::run(bolt, lock)).await
}

#[embassy_executor::task]
async fn perceive(mut senses: Typed, lock: &'static Lock) {
    lock.perceive(&mut senses).await
}

#[embassy_executor::task]
async fn network(mut runner: Runner<'static, Ethernet>) {
    NETWORK_ALIVE.during(runner.run()).await
}

#[embassy_executor::task]
async fn radio(receiver: Receiver, sender: Sender, board: &'static Emulator, lock: &'static Lock) {
    let transport: SerialTransport<NoopRawMutex, _, _> = SerialTransport::new(receiver, sender);
    let controller: ExternalController<_, COMMANDS> = ExternalController::new(transport);
    let set_address = WriteBdAddr::new(lock.address());
    let why = RADIO_ALIVE
        .during(radio::run(controller, set_address, &lock.presentation(), lock))
        .await;
    board.print(format_args!("radio failed: {}; restarting", why.words()));
    board.restart()
}

#[embassy_executor::task]
async fn keep_new(board: &'static Emulator, lock: &'static Lock, mut http: Http<'static>, options: Options) {
    if cfg!(feature = "fault-hang") {
        board.print(format_args!("this build hangs"));
        loop {
            core::hint::spin_loop();
        }
    }
    if options.never_confirm {
        board.print(format_args!("this build never confirms"));
    }
    update::run(board, lock, &mut http, &UPDATE_ALIVE, options).await
}

/// Says where by addresses: files, lines and words of every panic there may be would take 50 KB of the slot.
#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    let mut console = Console::new();
    let _ = write!(console, "latchkey: panic; called from");
    for caller in trace::callers().take(CALLERS) {
        let _ = write!(console, " {caller:#x}");
    }
    let _ = writeln!(console, "; restarting");
    stop::reset()
}

/// A processor fault is a bug like any other: say so and restart.
#[allow(
    unsafe_code,
    reason = "this handler's signature demands the word; what it does is safe"
)]
#[cortex_m_rt::exception]
// SAFETY: cortex-m-rt's signature demands the word; only the processor calls this, and what it does is safe.
unsafe fn HardFault(frame: &cortex_m_rt::ExceptionFrame) -> ! {
    let _ = writeln!(
        Console::new(),
        "latchkey: fault at {:#010x}; restarting",
        frame.pc()
    );
    stop::reset()
}
