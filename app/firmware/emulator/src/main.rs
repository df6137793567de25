//! The lock app for the emulated board: wires the board's devices to the lock's tasks, and nothing else.
#![no_std]
#![no_main]
#![deny(unsafe_code)]

mod board;

use core::fmt::Write as _;
use core::panic::PanicInfo;

use embassy_executor::Spawner;
use embassy_net::{Runner, StackResources};
use latchkey_board_emulator::net::Ethernet;
use latchkey_board_emulator::{Console, Watchdog, executor, stop, time};
use latchkey_firmware::http::{Buffers, Http};
use latchkey_firmware::lock::{self, Options};
use latchkey_firmware::watch::{self, Pulse};
use static_cell::StaticCell;

use board::{Arguments, Emulator};

/// Sockets of the network stack: DHCP, DNS, and one connection at a time, being closed and being opened.
const SOCKETS: usize = 4;

static LOCK_ALIVE: Pulse = Pulse::new();
static NETWORK_ALIVE: Pulse = Pulse::new();

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

/// Brings the devices up and the tasks to life.
fn start(spawner: Spawner) -> Result<(), &'static str> {
    static ARGUMENTS: StaticCell<Arguments> = StaticCell::new();
    static RESOURCES: StaticCell<StackResources<SOCKETS>> = StaticCell::new();
    static BUFFERS: StaticCell<Buffers> = StaticCell::new();

    let arguments = ARGUMENTS.init(Arguments::from_host()?);
    let mut board = Emulator::take(arguments.battery_percent())?;
    let ethernet = Ethernet::take().ok_or("no Ethernet controller")?;
    let config = embassy_net::Config::dhcpv4(embassy_net::DhcpConfig::default());
    let resources = RESOURCES.init(StackResources::new());
    let (stack, runner) = embassy_net::new(ethernet, config, resources, board.random_u64());
    let http = Http::new(stack, BUFFERS.init(Buffers::new()), arguments.server());
    let options = Options {
        pace: arguments.pace(),
        never_confirm: cfg!(feature = "fault-never-confirm"),
    };

    spawner.spawn(watchdog().map_err(|_| "no room for a task")?);
    spawner.spawn(network(runner).map_err(|_| "no room for a task")?);
    spawner.spawn(serve(board, http, options).map_err(|_| "no room for a task")?);
    Ok(())
}

#[embassy_executor::task]
async fn watchdog() {
    let mut watchdog = Watchdog::running();
    watch::guard(&[&LOCK_ALIVE, &NETWORK_ALIVE], || watchdog.feed()).await
}

#[embassy_executor::task]
async fn network(mut runner: Runner<'static, Ethernet>) {
    NETWORK_ALIVE.during(runner.run()).await
}

#[embassy_executor::task]
async fn serve(mut board: Emulator, mut http: Http<'static>, options: Options) {
    if cfg!(feature = "fault-hang") {
        let _ = writeln!(Console::new(), "latchkey: this build hangs");
        loop {
            core::hint::spin_loop();
        }
    }
    if options.never_confirm {
        let _ = writeln!(Console::new(), "latchkey: this build never confirms");
    }
    lock::run(&mut board, &mut http, &LOCK_ALIVE, options).await
}

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    let place = info
        .location()
        .map_or(("nowhere", 0), |place| (place.file(), place.line()));
    let (file, line) = place;
    let why = info.message();
    let _ = writeln!(
        Console::new(),
        "latchkey: panic at {file}:{line}: {why}; restarting"
    );
    stop::reset()
}

/// A processor fault is a bug like any other: say so and restart.
#[allow(
    unsafe_code,
    reason = "this handler's signature demands the word; what it does is safe"
)]
#[cortex_m_rt::exception]
unsafe fn HardFault(frame: &cortex_m_rt::ExceptionFrame) -> ! {
    let _ = writeln!(
        Console::new(),
        "latchkey: fault at {:#010x}; restarting",
        frame.pc()
    );
    stop::reset()
}
