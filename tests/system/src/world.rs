//! One lock and its surroundings, for one test.

use std::path::PathBuf;
use std::time::Duration;

use latchkey_image::SecurityCounter;
use latchkey_lab::{Builds, Chip, Lock, Release, Server, SignedImage, Variant};
use tempfile::TempDir;

use crate::attack::FLOOR;

/// When to give up waiting. Says nothing about how long anything should take.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// The folder and the builds of one test.
pub struct World {
    /// The board programs.
    pub builds: Builds,
    folder: TempDir,
}

impl World {
    /// A new folder; gone when this is dropped.
    ///
    /// # Panics
    /// When there is no room for one.
    #[must_use]
    pub fn new() -> Self {
        Self {
            builds: Builds::find(),
            folder: tempfile::tempdir().expect("a folder for the test"),
        }
    }

    /// A path in the test's folder.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A build as release `major`.0.0 with security counter `major`.
    ///
    /// # Panics
    /// When it has not been built; the message says what builds it.
    #[must_use]
    pub fn release(&self, variant: Variant, major: u8) -> SignedImage {
        let payload = self
            .builds
            .payload(variant)
            .unwrap_or_else(|error| panic!("{error}"));
        Release::new(payload, major)
            .sign()
            .expect("the example keys sign")
    }

    /// A lock that runs `image` since the factory.
    ///
    /// # Panics
    /// When the bootloader has not been built.
    #[must_use]
    pub fn lock(&self, name: &str, image: &SignedImage) -> Lock {
        Lock::factory(&self.builds, &self.path(name), image).unwrap_or_else(|error| panic!("{error}"))
    }

    /// A lock that has been updated before: it runs an image at the floor it stands on, and nothing below that
    /// may run. Gives the image too.
    ///
    /// # Panics
    /// As [`World::lock`].
    #[must_use]
    pub fn updated_lock(&self, name: &str) -> (Lock, SignedImage) {
        let image = self.release(Variant::V1, FLOOR);
        let lock = self.lock(name, &image);
        let mut chip = Chip::read(lock.flash()).expect("a new chip reads");
        chip.raise_floor(SecurityCounter(FLOOR.into()))
            .expect("a new chip has a floor");
        chip.write_back(lock.flash()).expect("the chip is a file");
        (lock, image)
    }
}

impl Default for World {
    fn default() -> Self {
        Self::new()
    }
}

/// A world with the real server and one lock that runs 1.0.0, enrolled and approved. The lock has power.
pub struct Site {
    /// The server.
    pub server: Server,
    /// The lock.
    pub lock: Lock,
    /// The lock's name.
    pub id: String,
    /// What the lock runs.
    pub running: SignedImage,
    /// Builds and folder; last, so that the folder outlives those who work in it.
    pub world: World,
}

impl Site {
    /// Sets everything up.
    ///
    /// # Panics
    /// When something has not been built, or does not start.
    #[must_use]
    pub fn with_one_lock() -> Self {
        Self::with_lock(|_| {})
    }

    /// As [`Site::with_one_lock`], with something changed before the lock has power.
    ///
    /// # Panics
    /// As there.
    #[must_use]
    pub fn with_lock(change: impl FnOnce(&mut Lock)) -> Self {
        let world = World::new();
        let server = Server::start(&world.path("server")).unwrap_or_else(|error| panic!("{error:#}"));
        server
            .trust_example_policy()
            .expect("the server takes the example policy");
        let running = world.release(Variant::V1, 1);
        let mut lock = world.lock("lock", &running);
        lock.set_server(Some(server.url()));
        change(&mut lock);
        lock.power_on().expect("QEMU starts");
        let id = lock
            .identity(PATIENCE)
            .unwrap_or_else(|error| panic!("{error:#}"));
        server.approve(&id).unwrap_or_else(|error| panic!("{error:#}"));
        Self {
            server,
            lock,
            id,
            running,
            world,
        }
    }
}
