//! A whole attack: every bad chip, every place, every glitch.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::chip::{self, Bad, Undisturbed};
use crate::elf::Program;

use crate::machine::Machine;
use crate::sample::{self, Random};
use crate::strike::{Ends, Glitch, Outcome, Tally, Target};
use crate::walk::{Snapshot, walk};

/// The first whole check of ACTIVE.
const FIRST_CHECK: &str = "check5first";

/// Of the decision's instructions, a sampled attack strikes every one on the first chip, and one in this many on each
/// of the others that hold a bad image: most of the way is the same for all.
const SHARE_IN_PLACE: usize = 10;
/// And one in this many where the bad image waits: there a boot goes on to the end of the good one, and is slow.
const SHARE_WAITING: usize = 40;

/// What to do.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The bootloader, an ELF file.
    pub bootloader: PathBuf,
    /// Decides the sample.
    pub seed: u64,
    /// Glitches of the sample: in hashing, curve arithmetic and copying, over all images together.
    pub sampled: usize,
    /// Every instruction, on every image, instead of samples.
    pub everything: bool,
    /// How many boards are attacked at once.
    pub boards: usize,
    /// Only functions whose names contain this, and only until the first bad boot: for showing that the attack
    /// sees one.
    pub until_bad_in: Option<&'static str>,
}

/// A glitch that booted a bad image.
#[derive(Clone, Debug)]
pub struct BadBoot {
    /// Which chip.
    pub chip: String,
    /// Where.
    pub address: u32,
    /// In which function.
    pub function: String,
    /// Which glitch.
    pub glitch: Glitch,
}

/// What came of it.
#[derive(Clone, Debug, Default)]
pub struct Findings {
    /// Glitches at the decision.
    pub decision: Tally,
    /// Glitches elsewhere.
    pub elsewhere: Tally,
    /// Every bad boot.
    pub bad_boots: Vec<BadBoot>,
}

impl Findings {
    /// How many glitches there were.
    #[must_use]
    pub fn glitches(&self) -> u64 {
        self.decision.values().chain(self.elsewhere.values()).sum()
    }

    fn add(&mut self, other: Self) {
        for (to, from) in [
            (&mut self.decision, other.decision),
            (&mut self.elsewhere, other.elsewhere),
        ] {
            for (outcome, count) in from {
                *to.entry(outcome).or_default() += count;
            }
        }
        self.bad_boots.extend(other.bad_boots);
    }
}

/// Carries a plan out. `progress` is called after each image.
///
/// # Errors
/// When QEMU cannot be used, or a bad image boots even undisturbed.
pub fn attack(plan: &Plan, progress: impl Fn(&str, &Findings) + Sync) -> Result<Findings> {
    let chips = chip::bad_chips()?;
    let program = Program::read(&plan.bootloader)?;
    let all = Mutex::new(Findings::default());
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        let attackers: Vec<_> = (0..plan.boards.max(1))
            .map(|_| {
                scope.spawn(|| -> Result<()> {
                    loop {
                        let index = next.fetch_add(1, Ordering::Relaxed);
                        let Some(bad) = chips
                            .get(index)
                            .filter(|_| index == 0 || plan.until_bad_in.is_none())
                        else {
                            return Ok(());
                        };
                        let share = plan.sampled.div_ceil(chips.len());
                        let found = one_chip(plan, &program, (bad, index == 0), share)
                            .with_context(|| format!("attacking the chip \"{}\"", bad.name))?;
                        progress(&bad.name, &found);
                        all.lock()
                            .map_err(|_| anyhow::anyhow!("another attacker failed"))?
                            .add(found);
                    }
                })
            })
            .collect();
        attackers.into_iter().try_for_each(|attacker| {
            attacker
                .join()
                .map_err(|_| anyhow::anyhow!("an attacker panicked"))?
        })
    })?;
    all.into_inner()
        .map_err(|_| anyhow::anyhow!("an attacker panicked"))
}

fn one_chip(plan: &Plan, program: &Program, (bad, first): (&Bad, bool), share: usize) -> Result<Findings> {
    let executed = sample::executed(&plan.bootloader, program, bad)?;
    let last = Ends::of(program)?.at(bad.undisturbed);
    let mut findings = Findings::default();

    let mut walker = Machine::start(&plan.bootloader, &bad.flash)?;
    let mut target = Target::new(
        Machine::start(&plan.bootloader, &bad.flash)?,
        program,
        Ends::of(program)?,
    )?;
    let mut strike = |before: &Snapshot, unguarded, tally: &mut Tally, bad_boots: &mut Vec<BadBoot>| {
        let registers = &before.registers;
        for glitch in Glitch::at(program, registers.pc(), registers.in_it_block(), plan.everything) {
            let outcome = target.strike(glitch, before, unguarded)?;
            *tally.entry(outcome).or_default() += 1;
            if outcome == Outcome::BadBoot {
                let address = registers.pc();
                let function = program
                    .at(address)
                    .map(|function| function.name.clone())
                    .unwrap_or_default();
                bad_boots.push(BadBoot {
                    chip: bad.name.clone(),
                    address,
                    function,
                    glitch,
                });
            }
        }
        Ok::<_, anyhow::Error>(())
    };
    // Up to the first check of ACTIVE all boots are the same where nothing waits: attacked once.
    let check = program.function(FIRST_CHECK).map(|function| function.start).ok();
    let nothing_waits = bad.undisturbed == Undisturbed::Sleeps;
    let one_in = if nothing_waits {
        SHARE_IN_PLACE
    } else {
        SHARE_WAITING
    };
    let from = check.filter(|_| nothing_waits && !first && !plan.everything);
    let times = if plan.everything { 2 } else { 1 };
    let mut random =
        Random::new(plan.seed ^ bad.name.bytes().fold(0, |sum, byte| sum << 5 ^ u64::from(byte)));
    walk(
        &mut walker,
        program,
        (from, last),
        times,
        |machine, address, unguarded| {
            let function = program.at(address).map_or("", |function| &function.name);
            let chosen = first || plan.everything || random.below(one_in) == 0;
            if chosen && plan.until_bad_in.is_none_or(|part| function.contains(part)) {
                let before = Snapshot::take(machine)?;
                strike(
                    &before,
                    unguarded,
                    &mut findings.decision,
                    &mut findings.bad_boots,
                )?;
            }
            let enough = plan.until_bad_in.is_some() && !findings.bad_boots.is_empty();
            Ok(if enough {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            })
        },
    )?;
    if plan.until_bad_in.is_some() {
        return Ok(findings);
    }

    let places = if plan.everything {
        sample::every(program, &executed)
    } else {
        sample::some(program, &executed, share.div_ceil(2), &mut random)
    };
    for (address, hit) in places {
        let machine = &mut walker;
        machine.set_flash(&bad.flash)?;
        machine.replace()?;
        if sample::run_to(machine, address, hit)? {
            let before = Snapshot::take(machine)?;
            strike(&before, None, &mut findings.elsewhere, &mut findings.bad_boots)?;
        }
    }
    ensure!(findings.glitches() > 0, "nothing was attacked");
    Ok(findings)
}

/// Whether a boot that nobody disturbs ends as it should.
///
/// # Errors
/// When QEMU cannot be used.
pub fn ends_in(bootloader: &Path, flash: &[u8], expected: Undisturbed) -> Result<bool> {
    let program = Program::read(bootloader)?;
    let ends = Ends::of(&program)?;
    let mut machine = Machine::start(bootloader, flash)?;
    let possible = ends.undisturbed();
    for end in possible {
        machine.gdb.break_at(end)?;
    }
    let met = machine.gdb.run(Duration::from_secs(60))?;
    let pc = machine.gdb.pc()?;
    ensure!(met && possible.contains(&pc), "the boot ends at {pc:#x}");
    Ok(pc == ends.at(expected))
}
