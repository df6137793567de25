//! Bakes in whom the app trusts. Fails, in words that say what to do, on example keys in a release build.

fn main() -> Result<(), String> {
    println!("cargo:rerun-if-changed=build.rs");
    latchkey_bake::policy()?;
    latchkey_bake::director()
}
