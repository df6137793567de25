//! What the lock app does between the last byte of an unlock command and the start of the motor, counted on the
//! emulated board, over Bluetooth, with everything that happens to run in between.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use latchkey_attack::trace::command_to_motor;
use latchkey_lab::{Air, Lock, Owner, Phone, Release, Variant, address};
use latchkey_phone::request::Act;
use latchkey_phone::session::News;
use latchkey_protocol::gatt;
use latchkey_protocol::value::SimpleAction;

use crate::{lab, setup, workspace};

/// How long the lock may take for anything.
const PATIENCE: Duration = Duration::from_secs(120);

/// Instructions.
pub(super) fn instructions() -> Result<u64> {
    setup::peers()?;
    let builds = lab::build(&[Variant::V1])?;
    let folder = workspace::scratch().join("measure/unlock");
    // What an earlier call left; there may be nothing.
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder)?;
    let log = folder.join("executed.log");
    let air = Air::start(&["lock", "phone"])?;
    let image = Release::new(builds.payload(Variant::V1)?, 1).sign()?;
    let mut lock = Lock::factory(&builds, &folder.join("chip"), &image)?;
    lock.set_radio(Some(air.address("lock")?));
    lock.set_trace(&log);
    lock.power_on()?;
    let line = lock.wait_for("lock Nuki_", PATIENCE)?;
    let (_, nuki_id) = line.split_once("Nuki_").context("the lock has no name")?;
    lock.wait_for("radio up", PATIENCE)?;
    let mut owner = Owner::new(Phone::start(&air, "phone")?, &address(nuki_id), gatt::MTU_MAX);
    owner.connect()?;
    ensure!(owner.pair("Owner")? == [News::Paired], "the lock does not pair");
    turn(&mut owner, SimpleAction::Lock)?;
    lock.trace(true)?;
    turn(&mut owner, SimpleAction::Unlock)?;
    lock.trace(false)?;
    command_to_motor(&log, &builds.folder(Variant::V1).join("app.elf"))
}

fn turn(owner: &mut Owner, action: SimpleAction) -> Result<()> {
    let news = owner.ask(Act::Simple { action })?;
    ensure!(
        news.last() == Some(&News::Done(None)),
        "the lock does not turn: {news:?}"
    );
    Ok(())
}
