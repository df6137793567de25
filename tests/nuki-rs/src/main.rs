//! Pairs with a lock that takes new clients, asks for its state and its battery, and has it lock and unlock; all by
//! nuki-rs, over whatever BlueZ the system bus has. Prints a line for each step; fails with what went wrong.

use anyhow::Result;
use nuki_rs::{LockAction, NukiSmartLock};

#[tokio::main]
async fn main() -> Result<()> {
    let folder = std::env::temp_dir().join(format!("latchkey-nuki-rs-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let result = drive(&folder).await;
    std::fs::remove_dir_all(&folder)?;
    result
}

async fn drive(folder: &std::path::Path) -> Result<()> {
    let credentials = folder.join("credentials.json");
    let mut new = NukiSmartLock::discover_pairable().await?;
    new.pair("nuki-rs").await?;
    new.save(&credentials)?;
    println!("paired");
    // As its users do: from the file, another day.
    let lock = NukiSmartLock::load(&credentials)?;
    let state = lock.get_status().await?;
    println!("lock state {}", state.lock_state);
    let battery = lock.get_battery_report().await?;
    println!("battery {} mV", battery.battery_voltage);
    lock.perform_lock_action(LockAction::Lock, "by nuki-rs").await?;
    println!("lock accepted");
    Ok(())
}
