//! Whom this build trusts: release keys and director, baked in by the build script from `LATCHKEY_POLICY` and
//! `LATCHKEY_DIRECTOR`. With `LATCHKEY_RELEASE` set, the build fails on any example key.

use latchkey_directive::PublicKey as DirectorKey;
use latchkey_image::{Authority, Hardware, PublicKey, TrustPolicy};

include!(concat!(env!("OUT_DIR"), "/policy.rs"));
include!(concat!(env!("OUT_DIR"), "/director.rs"));

/// Whether this build trusts a key that everyone has.
pub(crate) const ANY_EXAMPLE_KEY: bool = EXAMPLE_KEYS || EXAMPLE_DIRECTOR;

/// The version this build was made as, for the log; what counts stands in the signed header.
pub(crate) const BUILT_AS: &str = match option_env!("LATCHKEY_VERSION") {
    Some(version) => version,
    None => "unversioned",
};

const POLICY: TrustPolicy<'static> = match TrustPolicy::new(THRESHOLD, &KEYS) {
    Ok(policy) => policy,
    // At build time, and the build script has checked the same.
    Err(_) => panic!("the trust policy that was built in is none"),
};

/// The rule for images on this hardware; the bootloader has the same, and its own is the law.
pub(crate) fn authority(hardware: &Hardware) -> Authority<'static> {
    Authority {
        policy: POLICY,
        vendor: hardware.vendor,
        class: hardware.class,
        slot: hardware.slot.clone(),
    }
}

/// The key whose directives count. `None` when it is no key, which the build script does not let through.
pub(crate) fn director() -> Option<DirectorKey> {
    DirectorKey::from_bytes(&DIRECTOR)
}
