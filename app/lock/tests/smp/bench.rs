//! A lock's flash, window and SMP server, and clients that speak to it as the field's tools do.

use std::sync::LazyLock;

use ed25519_dalek::SigningKey;
use embedded_storage::nor_flash::ReadNorFlash;
use latchkey_directive::Running;
use latchkey_handoff::{Mailbox, Map, Partition, Region};
use latchkey_image::{
    Authority, ImageDigest, PublicKey, SecurityCounter, Slot as Place, TrustPolicy, Uuid, Version,
};
use latchkey_lock::lock::LinkId;
use latchkey_lock::slot::Slot;
use latchkey_lock::smp::{Around, HEADER, Identity, Outcome, Smp};
use latchkey_lock::update::Conditions;
use latchkey_lock::window::UpdateWindow;
use latchkey_simulator::nor::Nor;
use latchkey_simulator::random::Random;
use minicbor::data::Type;
use minicbor::{Decoder, Encoder};

pub(crate) const PAGE: usize = 4096;
const PAGES: usize = 40;
const P: u32 = PAGE as u32;
pub(crate) const MAP: Map = Map {
    engine: Partition::new(0, P),
    mailbox: Partition::new(P, 2 * P),
    floor: Partition::new(3 * P, 2 * P),
    record: Partition::new(5 * P, 2 * P),
    active: Partition::new(7 * P, 16 * P),
    dfu: Partition::new(23 * P, 17 * P),
};
pub(crate) const PLACE: Place = Place {
    address: 0x1_0000,
    size: 16 * P,
    ram: 0x2000_0000..0x2004_0000,
};
pub(crate) const VENDOR: Uuid = Uuid([1; 16]);
pub(crate) const CLASS: Uuid = Uuid([2; 16]);
pub(crate) const RUNNING: ImageDigest = ImageDigest([0x11; 32]);

pub(crate) const A: LinkId = LinkId(0);
pub(crate) const B: LinkId = LinkId(1);

/// What fits one notification at the usual MTU of 247.
pub(crate) const PIECE: usize = 244;

pub(crate) const OS: u16 = 0;
pub(crate) const IMAGE: u16 = 1;
pub(crate) const STATE: u8 = 0;
pub(crate) const UPLOAD: u8 = 1;
pub(crate) const ERASE: u8 = 5;
const READ: u8 = 0;
const WRITE: u8 = 2;

pub(crate) fn key(seed: u8) -> SigningKey {
    SigningKey::from_bytes(&[seed; 32])
}

static KEYS: LazyLock<[PublicKey; 3]> =
    LazyLock::new(|| [1, 2, 3].map(|seed| PublicKey::new(*key(seed).verifying_key().as_bytes())));

fn identity() -> Identity<'static> {
    Identity {
        authority: Authority {
            policy: TrustPolicy::new(2, &*KEYS).unwrap(),
            vendor: VENDOR,
            class: CLASS,
            slot: PLACE,
        },
        running: Running {
            image: RUNNING,
            version: Version {
                major: 1,
                minor: 2,
                revision: 3,
                build: 0,
            },
            counter: SecurityCounter(4),
            confirmed: true,
        },
        floor: SecurityCounter(4),
        map: MAP,
    }
}

/// An answer, taken apart.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Reply {
    pub(crate) operation: u8,
    pub(crate) version: u8,
    pub(crate) sequence: u8,
    pub(crate) rc: Option<u32>,
    pub(crate) rsn: Option<String>,
    /// Group and number of a group's error.
    pub(crate) err: Option<(u32, u32)>,
    pub(crate) off: Option<u32>,
    pub(crate) matches: Option<bool>,
    pub(crate) echo: Option<String>,
    pub(crate) parameters: Option<(u32, u32)>,
    pub(crate) images: Vec<Listed>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Listed {
    pub(crate) slot: u32,
    pub(crate) hash: Vec<u8>,
    pub(crate) version: String,
    pub(crate) pending: bool,
    pub(crate) confirmed: bool,
    pub(crate) active: bool,
}

impl Reply {
    pub(crate) fn is_refused(&self) -> bool {
        self.rc.is_some() || self.err.is_some()
    }

    /// Panics at what is no answer.
    pub(crate) fn read(frame: &[u8]) -> Self {
        let (head, body) = frame.split_at(HEADER);
        assert_eq!(usize::from(u16::from_be_bytes([head[2], head[3]])), body.len());
        let mut reply = Self {
            operation: head[0] & 7,
            version: head[0] >> 3,
            sequence: head[6],
            ..Self::default()
        };
        assert_eq!(head[1], 0, "flags");
        let mut body = Decoder::new(body);
        for _ in 0..body.map().unwrap().unwrap() {
            match body.str().unwrap() {
                "rc" => reply.rc = Some(body.u32().unwrap()),
                "rsn" => reply.rsn = Some(body.str().unwrap().to_owned()),
                "off" => reply.off = Some(body.u32().unwrap()),
                "match" => reply.matches = Some(body.bool().unwrap()),
                "r" => reply.echo = Some(body.str().unwrap().to_owned()),
                "buf_size" => reply.parameters.get_or_insert_default().0 = body.u32().unwrap(),
                "buf_count" => reply.parameters.get_or_insert_default().1 = body.u32().unwrap(),
                "err" => {
                    assert_eq!(body.map().unwrap(), Some(2));
                    assert_eq!(body.str().unwrap(), "rc");
                    let rc = body.u32().unwrap();
                    assert_eq!(body.str().unwrap(), "group");
                    reply.err = Some((body.u32().unwrap(), rc));
                }
                "images" => {
                    for _ in 0..body.array().unwrap().unwrap() {
                        reply.images.push(Listed::read(&mut body));
                    }
                }
                other => panic!("{other} in an answer"),
            }
        }
        assert_eq!(body.datatype().ok(), None::<Type>, "nothing behind the map");
        reply
    }
}

impl Listed {
    fn read(body: &mut Decoder<'_>) -> Self {
        let mut listed = Self::default();
        for _ in 0..body.map().unwrap().unwrap() {
            match body.str().unwrap() {
                "slot" => listed.slot = body.u32().unwrap(),
                "hash" => listed.hash = body.bytes().unwrap().to_vec(),
                "version" => listed.version = body.str().unwrap().to_owned(),
                "pending" => listed.pending = body.bool().unwrap(),
                "confirmed" => listed.confirmed = body.bool().unwrap(),
                "active" => listed.active = body.bool().unwrap(),
                "bootable" => assert!(body.bool().unwrap()),
                other => panic!("{other} in a listed image"),
            }
        }
        listed
    }
}

/// A frame with this body.
pub(crate) fn frame(operation: u8, version: u8, group: u16, command: u8, body: &[u8]) -> Vec<u8> {
    let [high, low] = (body.len() as u16).to_be_bytes();
    let group = group.to_be_bytes();
    let head = [
        version << 3 | operation,
        0,
        high,
        low,
        group[0],
        group[1],
        9,
        command,
    ];
    [&head, body].concat()
}

/// A piece of an upload, as a client may send it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Piece<'d> {
    pub(crate) off: Option<u32>,
    pub(crate) len: Option<u32>,
    pub(crate) sha: Option<&'d [u8]>,
    pub(crate) data: &'d [u8],
    pub(crate) upgrade: Option<bool>,
    pub(crate) image: Option<u32>,
}

impl Piece<'_> {
    pub(crate) fn body(&self) -> Vec<u8> {
        let mut out = Encoder::new(Vec::new());
        out.begin_map().unwrap();
        if let Some(off) = self.off {
            out.str("off").unwrap().u32(off).unwrap();
        }
        if let Some(len) = self.len {
            out.str("len").unwrap().u32(len).unwrap();
        }
        if let Some(sha) = self.sha {
            out.str("sha").unwrap().bytes(sha).unwrap();
        }
        if let Some(image) = self.image {
            out.str("image").unwrap().u32(image).unwrap();
        }
        if let Some(upgrade) = self.upgrade {
            out.str("upgrade").unwrap().bool(upgrade).unwrap();
        }
        out.str("data").unwrap().bytes(self.data).unwrap();
        out.end().unwrap();
        out.into_writer()
    }
}

/// The lock.
pub(crate) struct Bench {
    pub(crate) smp: Smp<'static>,
    pub(crate) window: UpdateWindow,
    pub(crate) slot: Slot,
    pub(crate) conditions: Conditions,
    pub(crate) now_ms: u64,
    pub(crate) flash: Nor<PAGE>,
    pub(crate) outcome: Outcome,
    /// The version of SMP that clients speak, less one.
    pub(crate) version: u8,
}

pub(crate) fn used_flash(seed: u64) -> Nor<PAGE> {
    let mut flash = Nor::used(PAGES, Random::new(seed));
    flash.put(0, &vec![0xff; 7 * PAGE]);
    flash
}

thread_local! {
    // Made once: a fuzzer makes many.
    static USED: Nor<PAGE> = used_flash(1);
}

impl Bench {
    pub(crate) fn new() -> Self {
        Self::over(USED.with(Clone::clone))
    }

    /// The lock after a start with this flash.
    pub(crate) fn over(flash: Nor<PAGE>) -> Self {
        Self {
            smp: Smp::new(identity()),
            window: UpdateWindow::closed(),
            slot: Slot::free(),
            conditions: Conditions {
                battery_percent: 80,
                busy: false,
                quiet_hours: true,
                opted_out: true,
            },
            now_ms: 1_000,
            flash,
            outcome: Outcome::Waiting,
            version: 1,
        }
    }

    pub(crate) fn opened() -> Self {
        let mut bench = Self::new();
        bench.open(600);
        bench
    }

    pub(crate) fn open(&mut self, seconds: u16) {
        self.window
            .open(seconds, None, false, self.conditions, self.now_ms)
            .unwrap();
    }

    /// Writes bytes, as one write of a client.
    pub(crate) fn write(&mut self, link: LinkId, bytes: &[u8]) -> Outcome {
        let mut around = Around {
            now_ms: self.now_ms,
            conditions: self.conditions,
            window: &mut self.window,
            slot: &mut self.slot,
        };
        self.outcome = self.smp.receive(link, bytes, &mut around, &mut self.flash);
        self.outcome
    }

    /// What the lock notifies, put together.
    pub(crate) fn read(&mut self, link: LinkId) -> Vec<u8> {
        let mut frame = Vec::new();
        let mut piece = [0; PIECE];
        while let Some(length) = self.smp.outgoing(link, &mut piece) {
            frame.extend_from_slice(&piece[..length]);
        }
        frame
    }

    /// Sends a frame in writes as long as the MTU allows; gives the answer's bytes.
    pub(crate) fn exchange(&mut self, link: LinkId, frame: &[u8]) -> Vec<u8> {
        for piece in frame.chunks(PIECE) {
            self.write(link, piece);
        }
        self.read(link)
    }

    pub(crate) fn say(&mut self, link: LinkId, operation: u8, group: u16, command: u8, body: &[u8]) -> Reply {
        let request = frame(operation, self.version, group, command, body);
        let reply = Reply::read(&self.exchange(link, &request));
        assert_eq!(reply.operation, operation + 1);
        assert_eq!(reply.version, self.version);
        assert_eq!(reply.sequence, 9);
        reply
    }

    pub(crate) fn list(&mut self, link: LinkId) -> Reply {
        self.say(link, READ, IMAGE, STATE, &[0xa0])
    }

    pub(crate) fn piece(&mut self, link: LinkId, piece: &Piece<'_>) -> Reply {
        self.say(link, WRITE, IMAGE, UPLOAD, &piece.body())
    }

    /// The first piece of an upload under this name.
    pub(crate) fn first(&mut self, link: LinkId, image: &[u8], sha: &[u8]) -> Reply {
        let piece = Piece {
            off: Some(0),
            len: Some(image.len() as u32),
            sha: Some(sha),
            data: &image[..300.min(image.len())],
            ..Piece::default()
        };
        self.piece(link, &piece)
    }

    pub(crate) fn next(&mut self, link: LinkId, image: &[u8], off: u32) -> Reply {
        let rest = &image[off as usize..];
        let piece = Piece {
            off: Some(off),
            data: &rest[..400.min(rest.len())],
            ..Piece::default()
        };
        self.piece(link, &piece)
    }

    /// Uploads as the field's tools do: whatever offset the lock names comes next. The last answer.
    pub(crate) fn upload(&mut self, link: LinkId, image: &[u8], sha: &[u8]) -> Reply {
        let mut reply = self.first(link, image, sha);
        while let Some(off) = reply.off.filter(|off| *off < image.len() as u32) {
            reply = self.next(link, image, off);
        }
        reply
    }

    pub(crate) fn test(&mut self, link: LinkId, hash: &[u8]) -> Reply {
        self.set_state(link, Some(hash), None)
    }

    pub(crate) fn set_state(&mut self, link: LinkId, hash: Option<&[u8]>, confirm: Option<bool>) -> Reply {
        let mut out = Encoder::new(Vec::new());
        out.begin_map().unwrap();
        if let Some(hash) = hash {
            out.str("hash").unwrap().bytes(hash).unwrap();
        }
        if let Some(confirm) = confirm {
            out.str("confirm").unwrap().bool(confirm).unwrap();
        }
        out.end().unwrap();
        self.say(link, WRITE, IMAGE, STATE, &out.into_writer())
    }

    pub(crate) fn erase(&mut self, link: LinkId) -> Reply {
        self.say(link, WRITE, IMAGE, ERASE, &[0xa0])
    }

    pub(crate) fn reset(&mut self, link: LinkId) -> Reply {
        self.say(link, WRITE, OS, 5, &[0xa0])
    }

    pub(crate) fn echo(&mut self, link: LinkId) -> Reply {
        self.say(link, WRITE, OS, 0, b"\xa1\x61d\x62hi")
    }

    /// Says what has to be said outside of a window, and checks that flash was not so much as read.
    pub(crate) fn without_flash<T>(&mut self, say: impl FnOnce(&mut Self) -> T) -> T {
        let before = self.flash.work();
        let said = say(self);
        assert_eq!(self.flash.work(), before, "flash was used");
        said
    }

    pub(crate) fn mailbox(&mut self) -> Mailbox {
        Mailbox::read(&mut Region::new(&mut self.flash, MAP.mailbox)).unwrap()
    }

    /// Every byte that is neither the app's mailbox nor the slot.
    pub(crate) fn rest_of_flash(&mut self) -> Vec<u8> {
        let mut bytes = vec![0; PAGES * PAGE];
        self.flash.read(0, &mut bytes).unwrap();
        for part in [MAP.mailbox, MAP.dfu] {
            bytes[part.offset as usize..part.end() as usize].fill(0);
        }
        bytes
    }

    /// What lies at the beginning of the slot.
    pub(crate) fn slot_begins_with(&mut self, image: &[u8]) -> bool {
        self.flash.holds(MAP.dfu.offset as usize, image)
    }
}
