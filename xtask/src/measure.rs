//! `cargo xtask measure`: what the boot chain costs, in bytes, instructions and flash operations, beside what
//! others cost. Counts, not times: the same numbers on every machine with the same compiler; but for sending an image,
//! where what counts is the ratio of two speeds in one run.

mod unlock;
mod upload;

use anyhow::{Result, bail};
use clap::Args;
use latchkey_attack::{count, size};
use latchkey_handoff::layout;
use latchkey_image::Hardware;
use latchkey_lab::Release;
use latchkey_simulator::measure::{self as flash_work, FlashWork, StorageWork};
use serde_json::{Map, Value};

use crate::firmware::{self, Board};
use crate::{setup, workspace};

/// How to print.
#[derive(Args)]
pub(crate) struct Options {
    /// One flat JSON object instead of the table
    #[arg(long)]
    json: bool,
}

/// One number, what it should not exceed or not fall below, and what others need for the same.
struct Figure {
    key: &'static str,
    value: u64,
    limit: Option<u64>,
    least: Option<u64>,
    peers: &'static str,
}

/// Where the peers' numbers come from, for the reader of the table.
const SOURCES: &str = "\
peers: MCUboot 2d4bacc3 (ed25519, swap-offset where not said otherwise) and embassy-boot 0.7.0, driven over the
same simulated NOR with the same geometry; sizes on Cortex-M4 with gcc 12.2 -Os; instructions on the same
emulated core. The download is not counted.";

/// The slot of the flash measurements, in bytes.
const SLOT: u32 = 288 * 1024;
const KIB: usize = 1024;

/// Measures and prints; fails when a limit is exceeded.
pub(crate) fn run(options: &Options) -> Result<()> {
    setup::boards()?;
    setup::emulator()?;
    let figures = measure()?;
    if options.json {
        let object: Map<String, Value> = figures
            .iter()
            .map(|figure| (figure.key.to_owned(), figure.value.into()))
            .collect();
        println!("{}", serde_json::to_string_pretty(&object)?);
    } else {
        table(&figures);
    }
    let exceeded: Vec<_> = figures
        .iter()
        .filter(|figure| !figure.holds())
        .map(|figure| figure.key)
        .collect();
    if !exceeded.is_empty() {
        bail!("beyond the limit: {}", exceeded.join(", "));
    }
    Ok(())
}

impl Figure {
    const fn new(key: &'static str, value: u64, limit: Option<u64>, peers: &'static str) -> Self {
        Self {
            key,
            value,
            limit,
            least: None,
            peers,
        }
    }

    const fn at_least(key: &'static str, value: u64, least: u64, peers: &'static str) -> Self {
        Self {
            least: Some(least),
            ..Self::new(key, value, None, peers)
        }
    }

    fn holds(&self) -> bool {
        self.limit.is_none_or(|limit| self.value <= limit)
            && self.least.is_none_or(|least| self.value >= least)
    }
}

fn measure() -> Result<Vec<Figure>> {
    let built = firmware::build_bootloader(
        &firmware::Options::example(Board::Emulator, "1.0.0", 1),
        &workspace::scratch().join("measure"),
    )?;
    let (flash, entry) = chip_with_256k()?;
    eprintln!("counting the instructions of a start");
    let counts = count::count(&built, &flash, entry)?;
    let size = size::measure(&built, &flash, entry)?;
    eprintln!("counting the flash operations of installs");
    let large = flash_work::install(256 * KIB, 252 * KIB, SLOT)?;
    let small = flash_work::install(64 * KIB, 60 * KIB, SLOT)?;
    let one_page = flash_work::install_changed(256 * KIB, 1, SLOT)?;
    let idle = flash_work::idle_boot()?;
    eprintln!("counting what five years of lock actions do to the storage");
    let storage = flash_work::storage()?;
    let mut figures = boot_figures(&size, &counts);
    figures.extend(app_figures()?);
    eprintln!("counting the instructions of an unlock command");
    figures.push(Figure::new(
        "unlock_to_motor_instructions",
        unlock::instructions()?,
        Some(1_500_000),
        "from the command's last byte to the motor's start; nobody else's lock is open",
    ));
    eprintln!("sending an image to the emulated lock, thrice");
    figures.extend(upload::figures()?);
    figures.extend(flash_figures(&large, &small, &one_page, &idle));
    figures.extend(storage_figures(&storage));
    Ok(figures)
}

fn boot_figures(size: &size::Sizes, counts: &count::Counts) -> Vec<Figure> {
    vec![
        Figure::new(
            "bootloader_flash_bytes",
            size.flash,
            Some(64 * 1024),
            "MCUboot 26,767 (core on a bare stub); 39,918 (Zephyr, nRF52840)",
        ),
        Figure::new(
            "bootloader_ram_bytes",
            size.ram,
            None,
            "MCUboot 3,400 to 4,500 without its stack; here with it, at its deepest",
        ),
        Figure::new(
            "reset_to_jump_256k_instructions",
            counts.reset_to_jump,
            None,
            "embassy-boot checks nothing; MCUboot checks once",
        ),
        Figure::new(
            "verify_256k_instructions",
            counts.verify,
            Some(14_000_000),
            "MCUboot's C 21,500,000, one signature; here two",
        ),
    ]
}

/// What the lock apps take of their slot (on the nRF52840 less, radio library included) and of RAM; the stack comes on top, see the soak test.
fn app_figures() -> Result<Vec<Figure>> {
    let slot = u64::from(layout::ACTIVE.size.saturating_sub(layout::IMAGE_HEADER));
    let mut figures = Vec::new();
    for (board, flash, flash_max, ram) in [
        (
            Board::Emulator,
            "app_emulator_flash_bytes",
            slot,
            "app_emulator_ram_bytes",
        ),
        (
            Board::Nrf52840,
            "app_nrf52840_flash_bytes",
            256 * 1024,
            "app_nrf52840_ram_bytes",
        ),
    ] {
        let out = workspace::scratch().join("measure").join(board.name());
        firmware::build(&firmware::Options {
            out: Some(out.clone()),
            ..firmware::Options::example(board, "1.0.0", 1)
        })?;
        let size = size::sections(&out.join("app.elf"))?;
        figures.push(Figure::new(
            flash,
            size.flash,
            Some(flash_max),
            "nobody else's lock is open",
        ));
        figures.push(Figure::new(
            ram,
            size.ram,
            Some(256 * 1024),
            "variables, without the stack",
        ));
    }
    Ok(figures)
}

fn storage_figures(storage: &StorageWork) -> Vec<Figure> {
    vec![
        Figure::new(
            "storage_writes_per_action_bytes",
            storage.bytes,
            None,
            "a log entry of 53 bytes, a record of 130, zeros over the old one, moves",
        ),
        Figure::new("storage_erases_per_1000_actions", storage.erases_1000, None, ""),
        Figure::new(
            "storage_life_years_40_actions_a_day",
            storage.years,
            None,
            "10,000 erases a page: nRF52840 product specification",
        ),
    ]
}

fn flash_figures(
    large: &FlashWork,
    small: &FlashWork,
    one_page: &FlashWork,
    idle: &FlashWork,
) -> Vec<Figure> {
    vec![
        Figure::new(
            "install_256k_erases",
            large.erases,
            Some(132),
            "MCUboot 132 (swap-move 197), embassy-boot 146",
        ),
        Figure::new(
            "install_256k_bytes",
            large.bytes,
            Some(533_032),
            "MCUboot 533,032 (swap-move 799,528), embassy-boot 590,408",
        ),
        Figure::new(
            "install_64k_erases",
            small.erases,
            Some(36),
            "MCUboot 36 (swap-move 53), embassy-boot 146",
        ),
        Figure::new(
            "install_64k_bytes",
            small.bytes,
            Some(139_432),
            "MCUboot 139,432 (swap-move 209,128), embassy-boot 590,408",
        ),
        Figure::new(
            "install_256k_one_page_changed_erases",
            one_page.erases,
            None,
            "nobody looks at content",
        ),
        Figure::new(
            "install_256k_one_page_changed_bytes",
            one_page.bytes,
            None,
            "nobody looks at content",
        ),
        Figure::new(
            "idle_boot_flash_ops",
            idle.operations,
            Some(0),
            "MCUboot 0, embassy-boot 0",
        ),
    ]
}

/// A chip whose ACTIVE holds a rightly signed image with 256 KiB of payload, and that image's entry.
fn chip_with_256k() -> Result<(Vec<u8>, u32)> {
    /// Where in the payload the entry lies.
    const ENTRY: u32 = 0x400;
    let entry = Hardware::EMULATOR
        .slot
        .address
        .saturating_add(layout::IMAGE_HEADER)
        .saturating_add(ENTRY);
    let mut payload = vec![0x5a; 256 * KIB];
    let vectors = [
        Hardware::EMULATOR.slot.ram.end.to_le_bytes(),
        (entry | 1).to_le_bytes(),
    ]
    .concat();
    payload.splice(..vectors.len(), vectors);
    let image = Release::new(payload, 1).sign()?;
    let mut flash = vec![0xff; usize::try_from(layout::FLASH)?];
    let at = usize::try_from(layout::ACTIVE.offset)?;
    flash.splice(at..at.saturating_add(image.bytes.len()), image.bytes);
    Ok((flash, entry))
}

fn table(figures: &[Figure]) {
    println!(
        "{:<40} {:>12} {:>12}  {:<7} others",
        "figure", "Latchkey", "limit", ""
    );
    for figure in figures {
        let most = figure.limit.map(grouped);
        let least = figure.least.map(|least| format!("from {}", grouped(least)));
        let limit = most.or(least).unwrap_or_default();
        let verdict = match (limit.is_empty(), figure.holds()) {
            (true, _) => "",
            (false, true) => "holds",
            (false, false) => "MISSES",
        };
        println!(
            "{:<40} {:>12} {limit:>12}  {verdict:<7} {}",
            figure.key,
            grouped(figure.value),
            figure.peers
        );
    }
    println!("\n{SOURCES}");
}

/// 1234567 as 1,234,567.
fn grouped(value: u64) -> String {
    let digits = value.to_string();
    let groups: Vec<_> = digits
        .as_bytes()
        .rchunks(3)
        .rev()
        .map(String::from_utf8_lossy)
        .collect();
    groups.join(",")
}
