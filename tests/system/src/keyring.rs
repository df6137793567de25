//! A desktop session, as far as its keyring goes: a D-Bus of its own, and gnome-keyring, which the bus starts when
//! somebody asks for it and which the session's password unlocks. What it keeps outlives a session, on disk.

use std::fs;
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

/// See the module's header.
pub struct Desktop {
    folder: TempDir,
}

impl Desktop {
    /// One that nobody has used.
    ///
    /// # Panics
    /// When there is no place for a folder.
    #[must_use]
    pub fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let at = |name: &str| folder.path().join(name);
        let bus = format!(
            "<busconfig><type>session</type><listen>unix:tmpdir=/tmp</listen><servicedir>{}</servicedir>\
             <policy context=\"default\"><allow send_destination=\"*\" eavesdrop=\"true\"/>\
             <allow eavesdrop=\"true\"/><allow own=\"*\"/></policy></busconfig>",
            folder.path().display()
        );
        fs::write(at("session.conf"), bus).unwrap();
        let service = format!(
            "[D-BUS Service]\nName=org.freedesktop.secrets\nExec=/bin/sh {}\n",
            at("unlock.sh").display()
        );
        fs::write(at("org.freedesktop.secrets.service"), service).unwrap();
        let unlock =
            "printf password | exec gnome-keyring-daemon --foreground --unlock --components=secrets\n";
        fs::write(at("unlock.sh"), unlock).unwrap();
        Self { folder }
    }

    /// The command inside a session of this desktop, ready to be run; the session ends with it.
    #[must_use]
    pub fn session(&self, command: &Command) -> Command {
        let mut inside = Command::new("dbus-run-session");
        inside
            .arg("--config-file")
            .arg(self.folder.path().join("session.conf"))
            .arg("--")
            .arg(command.get_program())
            .args(command.get_args());
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => inside.env(name, value),
                None => inside.env_remove(name),
            };
        }
        for name in ["HOME", "XDG_DATA_HOME", "XDG_RUNTIME_DIR"] {
            inside.env(name, self.folder.path());
        }
        inside
    }

    /// Where the keyring lies.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }
}

impl Default for Desktop {
    fn default() -> Self {
        Self::new()
    }
}
