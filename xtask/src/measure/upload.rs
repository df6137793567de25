//! What it takes to bring an image to the emulated lock over Bluetooth: by the project's own phone, by smpclient, and
//! what plain writes take that the lock acknowledges one by one, on the same link in the same run.
//!
//! There is no radio here and no distance: the virtual air carries whatever it is given at once. So the bytes are what
//! they are anywhere, while times say only how much of the link's own pace a way of sending leaves, as ratios in one
//! run. Overhead is every byte of L2CAP packets on the link, headers included, both ways, beyond the image's own.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use latchkey_handoff::layout;
use latchkey_image::Hardware;
use latchkey_lab::{Air, At, Fate, Lock, Owner, Phone, Release, SignedImage, Variant, address, smpclient};
use latchkey_phone::request::Administer;
use latchkey_phone::session::News as Told;
use latchkey_phone::update::News;
use latchkey_protocol::gatt;
use latchkey_protocol::value::Pin;
use latchkey_protocol::wire::Tail;

use super::Figure;
use crate::{lab, setup, workspace};

/// How long the lock may take for anything.
const PATIENCE: Duration = Duration::from_secs(120);
/// So much of an image is sent each time, in bytes.
const SENT: usize = 120 * 1024;
/// A characteristic on which what is written is acknowledged and forgotten.
const FORGOTTEN: &str = "a92ee203-5501-11e4-916c-0800200c9a66";

/// One way of sending.
struct Sent {
    /// Of the image, or what stands for it.
    bytes: u64,
    /// All that was on the link meanwhile.
    carried: u64,
    seconds: f64,
}

impl Sent {
    fn or_better(self, other: Self) -> Self {
        if other.seconds < self.seconds { other } else { self }
    }

    fn bytes_per_second(&self) -> u64 {
        (self.bytes as f64 / self.seconds) as u64
    }

    fn overhead_permille(&self) -> u64 {
        let beyond = self.carried.saturating_sub(self.bytes).saturating_mul(1_000);
        beyond.div_ceil(self.bytes.max(1))
    }
}

/// The figures of the table.
pub(super) fn figures() -> Result<Vec<Figure>> {
    let mut scene = Scene::new()?;
    let (mut ours, mut plain) = (scene.ours(1)?, scene.plain()?);
    // What else this machine does takes from one turn or the other: of both, the better ones count.
    ours = ours.or_better(scene.ours(2)?);
    plain = plain.or_better(scene.plain()?);
    let theirs = scene.smpclient()?;
    let share = |sent: &Sent| {
        let percent = sent.bytes_per_second().saturating_mul(100);
        percent.checked_div(plain.bytes_per_second()).unwrap_or(0)
    };
    Ok(vec![
        Figure::at_least(
            "upload_percent_of_acknowledged_writes",
            share(&ours),
            85,
            "same link, same run",
        ),
        Figure::new(
            "upload_smpclient_percent_of_acknowledged_writes",
            share(&theirs),
            None,
            "smpclient 7.3.0, same lock",
        ),
        Figure::new(
            "upload_overhead_permille",
            ours.overhead_permille(),
            Some(60),
            "L2CAP bytes beyond the image's, both ways",
        ),
        Figure::new(
            "upload_smpclient_overhead_permille",
            theirs.overhead_permille(),
            None,
            "with its connection and discovery",
        ),
        Figure::new(
            "upload_bytes_per_second",
            ours.bytes_per_second(),
            None,
            "of this machine, not of a radio",
        ),
        Figure::new(
            "upload_smpclient_bytes_per_second",
            theirs.bytes_per_second(),
            None,
            "likewise",
        ),
        Figure::new(
            "acknowledged_writes_bytes_per_second",
            plain.bytes_per_second(),
            None,
            "likewise",
        ),
    ])
}

/// A lock and its owner.
struct Scene {
    air: Air,
    owner: Owner,
    /// Not used, but there.
    _lock: Lock,
    nuki_id: String,
    payload: Vec<u8>,
    file: PathBuf,
}

impl Scene {
    fn new() -> Result<Self> {
        setup::peers()?;
        let builds = lab::build(&[Variant::V1])?;
        let folder = workspace::scratch().join("measure/upload");
        // What an earlier call left; there may be nothing.
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder)?;
        let air = Air::start(&["lock", "phone", "tool"])?;
        let payload = builds.payload(Variant::V1)?;
        let mut lock = Lock::factory(
            &builds,
            &folder.join("chip"),
            &Release::new(payload.clone(), 1).sign()?,
        )?;
        lock.set_radio(Some(air.address("lock")?));
        lock.power_on()?;
        let line = lock.wait_for("lock Nuki_", PATIENCE)?;
        let (_, nuki_id) = line.split_once("Nuki_").context("the lock has no name")?;
        let nuki_id = nuki_id.to_owned();
        lock.wait_for("radio up", PATIENCE)?;
        let mut owner = Owner::new(Phone::start(&air, "phone")?, &address(&nuki_id), gatt::MTU_MAX);
        owner.connect()?;
        ensure!(owner.pair("Owner")? == [Told::Paired], "the lock does not pair");
        owner.disconnect()?;
        Ok(Self {
            air,
            owner,
            _lock: lock,
            nuki_id,
            payload: cut(payload),
            file: folder.join("image.bin"),
        })
    }

    /// An image that is sent and never run: its program is cut off. Another for each turn, so that the lock has not got it.
    fn image(&self, turn: u8) -> Result<SignedImage> {
        let mut payload = self.payload.clone();
        if let Some(last) = payload.last_mut() {
            *last = turn;
        }
        Release::new(payload, 2).sign()
    }

    /// By the project's own phone: from its first word over SMP, the opening of the window included, to the lock's that
    /// all is there.
    fn ours(&mut self, turn: u8) -> Result<Sent> {
        let image = self.image(turn)?;
        let air = &mut self.air;
        let (mut begun, mut ended) = (None, None);
        let mut mark = |place: &mut Option<Result<(Instant, u64)>>| {
            *place = Some(air.carried().map(|carried| (Instant::now(), carried)));
        };
        let release = image.for_phone()?;
        self.owner.install(release, Pin::short(0), |at| match at {
            At::Piece(1) => {
                mark(&mut begun);
                Fate::On
            }
            At::News(News::Uploading { received, size }) if received == size => {
                mark(&mut ended);
                Fate::Killed
            }
            At::Piece(_) | At::News(_) => Fate::On,
        })?;
        self.owner.disconnect()?;
        let (start, before) = begun.context("nothing was sent")??;
        let (end, after) = ended.context("the image did not arrive")??;
        Ok(Sent {
            bytes: image.bytes.len() as u64,
            carried: after.saturating_sub(before),
            seconds: end.saturating_duration_since(start).as_secs_f64(),
        })
    }

    /// By writes as long as the MTU allows, each acknowledged.
    fn plain(&mut self) -> Result<Sent> {
        let image = self.image(0)?;
        self.owner.connect()?;
        let before = self.air.carried()?;
        let start = Instant::now();
        let room = usize::from(gatt::MTU_MAX.saturating_sub(gatt::ATT_OVERHEAD));
        for piece in image.bytes.chunks(room) {
            self.owner.phone.write(FORGOTTEN, piece)?;
        }
        let seconds = start.elapsed().as_secs_f64();
        let carried = self.air.carried()?.saturating_sub(before);
        self.owner.disconnect()?;
        Ok(Sent {
            bytes: image.bytes.len() as u64,
            carried,
            seconds,
        })
    }

    /// By smpclient, as it comes.
    fn smpclient(&mut self) -> Result<Sent> {
        let image = self.image(3)?;
        std::fs::write(&self.file, &image.bytes)?;
        self.owner.connect()?;
        let window = Administer::OpenUpdateWindow {
            seconds: 600,
            image: Tail(None),
        };
        let opened = self.owner.ask(window.with(Pin::short(0)))?;
        ensure!(
            opened == [Told::Done(None)],
            "the lock opens no window: {opened:?}"
        );
        self.owner.disconnect()?;
        let before = self.air.carried()?;
        let file = self.file.to_str().context("a folder with a strange name")?;
        let lock = format!("Nuki_{}", self.nuki_id);
        let printed = smpclient(&self.air, "tool", &lock, &["upload", file])?;
        let carried = self.air.carried()?.saturating_sub(before);
        let seconds = printed.lines().find_map(|line| line.strip_prefix("seconds "));
        Ok(Sent {
            bytes: image.bytes.len() as u64,
            carried,
            seconds: seconds
                .with_context(|| format!("smpclient says\n{printed}"))?
                .parse()?,
        })
    }
}

/// The beginning of a payload, with an entry inside of it.
fn cut(mut payload: Vec<u8>) -> Vec<u8> {
    payload.truncate(SENT);
    let slot = Hardware::EMULATOR.slot;
    let entry = slot
        .address
        .saturating_add(layout::IMAGE_HEADER)
        .saturating_add(0x401);
    let vectors = [slot.ram.end.to_le_bytes(), entry.to_le_bytes()].concat();
    payload.splice(..vectors.len(), vectors);
    payload
}
