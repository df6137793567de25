//! Whose signatures this app asks for before it bothers a lock with an image, as the bootloader has it built in.

fn main() -> Result<(), String> {
    println!("cargo:rerun-if-changed=build.rs");
    latchkey_bake::policy()
}
