//! What no server of check-ins is faster than: the signature that each brings is checked, and its answer signed.
//!
//! No network, no database and no decision; the same library calls as the server's.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use ed25519_dalek::{Signer as _, SigningKey};
use latchkey_directive::{Action, CheckIn, Directive, MAX_SEALED, PublicKey, Sealed, seal};

use crate::locks::Lock;

/// Locks that call in turn.
const LOCKS: u64 = 1_000;

/// Prints how often it went through one check-in's signatures in a second.
pub(crate) fn exchange(time: Duration) -> Result<()> {
    let director = SigningKey::from_bytes(&[0xd1; 32]);
    let locks = (0..LOCKS).map(Lock::new);
    let sealed = locks.map(|lock| lock.and_then(|mut lock| Ok((lock.public(), lock.sealed_check_in()?))));
    let sealed = sealed.collect::<Result<Vec<([u8; 32], Vec<u8>)>>>()?;
    let started = Instant::now();
    let mut done: u32 = 0;
    for (key, message) in sealed.iter().cycle() {
        std::hint::black_box(answer(key, message, &director)?);
        done += 1;
        if started.elapsed() >= time {
            break;
        }
    }
    println!("{}", f64::from(done) / started.elapsed().as_secs_f64());
    Ok(())
}

fn answer(key: &[u8; 32], message: &[u8], director: &SigningKey) -> Result<Vec<u8>> {
    let key = PublicKey::from_bytes(key).context("a key that is none")?;
    let sealed = Sealed::parse(message).map_err(|error| anyhow::anyhow!("no message: {error}"))?;
    let check_in: CheckIn = sealed
        .open(&key)
        .map_err(|error| anyhow::anyhow!("a message that does not open: {error}"))?;
    let directive = Directive {
        device: check_in.device,
        nonce: check_in.nonce,
        action: Action::Nothing,
        call_again_s: 3600,
    };
    let mut out = vec![0; MAX_SEALED];
    let length = seal(&directive, |digest| director.sign(digest).to_bytes(), &mut out)
        .map_err(|error| anyhow::anyhow!("an answer that cannot be sealed: {error}"))?;
    out.truncate(length);
    Ok(out)
}
