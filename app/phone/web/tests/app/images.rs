//! Images by the example keys, which this build of the web app trusts, and the lock of these tests too.

use std::sync::LazyLock;

use latchkey_image::{Hardware, PublicKey, TrustPolicy};
use latchkey_lab::{Release, Signer};

static KEYS: LazyLock<[PublicKey; 3]> = LazyLock::new(|| {
    [Signer::A, Signer::B, Signer::C].map(|signer| {
        let key = signer.key().unwrap();
        PublicKey::new(*key.verifying_key().as_bytes())
    })
});

/// As keys-example has it: two of three.
pub(crate) fn policy() -> TrustPolicy<'static> {
    TrustPolicy::new(2, &*KEYS).unwrap()
}

/// A release that the lock of these tests takes.
pub(crate) fn release() -> Release {
    release_for(Hardware::EMULATOR)
}

/// One for this hardware.
pub(crate) fn release_for(hardware: Hardware) -> Release {
    let slot = hardware.slot;
    let mut payload: Vec<u8> = (0..20_000_u32).map(|n| (n % 241) as u8).collect();
    payload[..4].copy_from_slice(&slot.ram.end.to_le_bytes());
    payload[4..8].copy_from_slice(&(slot.address + 0x200 + 0x21).to_le_bytes());
    Release {
        class: hardware.class,
        ..Release::new(payload, 5)
    }
}
