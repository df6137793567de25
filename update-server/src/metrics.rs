//! What the server counts, in Prometheus' form. No label comes from a stranger's hands.

use latchkey_directive::{Event, ProblemCode};
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue, LabelValueEncoder};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};

use crate::domain::device::State;
use crate::domain::report::event_name;
use crate::domain::tuf::Standing;

/// A label value from a fixed set.
#[derive(Clone, Copy, Debug, Hash, PartialEq, Eq)]
struct Fixed(&'static str);

impl EncodeLabelValue for Fixed {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> Result<(), std::fmt::Error> {
        self.0.encode(encoder)
    }
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct RequestLabels {
    route: Fixed,
    status: u16,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct RouteLabel {
    route: Fixed,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct KindLabel {
    kind: Fixed,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct RoleLabel {
    role: Fixed,
}

/// Why a request is turned away before anybody looks at what it says.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Unheard {
    /// Too much came from its address that proved nothing.
    Address,
    /// Its body never came whole.
    Body,
}

impl Unheard {
    const ALL: [Self; 2] = [Self::Address, Self::Body];

    const fn label(self) -> KindLabel {
        let kind = match self {
            Self::Address => "address",
            Self::Body => "body",
        };
        KindLabel { kind: Fixed(kind) }
    }
}

/// The counters.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    requests: Family<RequestLabels, Counter>,
    duration: Family<RouteLabel, Histogram>,
    turned_away: Family<KindLabel, Counter>,
    check_ins: Family<KindLabel, Counter>,
    reports: Family<KindLabel, Counter>,
    devices: Family<KindLabel, Gauge>,
    refusals: Family<KindLabel, Counter>,
    alarms: Counter,
    alarmed: Gauge,
    image_bytes: Counter,
    image_links: Counter,
    tuf_expiry: Family<RoleLabel, Gauge>,
    tuf_readable: Gauge,
}

impl Default for Metrics {
    fn default() -> Self {
        let metrics = Self {
            registry: Registry::with_prefix("latchkey"),
            requests: Family::default(),
            duration: Family::new_with_constructor(|| Histogram::new(exponential_buckets(0.001, 4.0, 8))),
            turned_away: Family::default(),
            check_ins: Family::default(),
            reports: Family::default(),
            devices: Family::default(),
            refusals: Family::default(),
            alarms: Counter::default(),
            alarmed: Gauge::default(),
            image_bytes: Counter::default(),
            image_links: Counter::default(),
            tuf_expiry: Family::default(),
            tuf_readable: Gauge::default(),
        };
        metrics.begin_at_zero();
        metrics.registered()
    }
}

impl Metrics {
    /// What an alert looks for is there from the start: of what is not there, nothing can be said to stand still or grow.
    fn begin_at_zero(&self) {
        for kind in ["install", "nothing"].map(Fixed) {
            let _ = self.check_ins.get_or_create(&KindLabel { kind });
        }
        for event in EVENTS {
            let kind = Fixed(event_name(event));
            let _ = self.reports.get_or_create(&KindLabel { kind });
        }
        for code in PROBLEMS {
            let kind = Fixed(problem_name(code));
            let _ = self.refusals.get_or_create(&KindLabel { kind });
        }
    }

    fn registered(mut self) -> Self {
        let registry = &mut self.registry;
        registry.register(
            "http_requests",
            "Requests answered, by route and status; without those turned away unheard",
            self.requests.clone(),
        );
        registry.register_with_unit(
            "http_request_duration",
            "Time from a request's head, or from its body where anybody may send one, to its answer's head, by route",
            Unit::Seconds,
            self.duration.clone(),
        );
        registry.register(
            "http_turned_away",
            "Requests turned away unheard, by why: their address has nothing left, or their body never came whole",
            self.turned_away.clone(),
        );
        for why in Unheard::ALL {
            // Told from the start, so that the first ones show as an increase.
            drop(self.turned_away.get_or_create(&why.label()));
        }
        registry.register(
            "check_ins",
            "Check-ins answered, by what was decided",
            self.check_ins.clone(),
        );
        registry.register("reports", "Reports kept, by event", self.reports.clone());
        registry.register("devices", "Devices, by state", self.devices.clone());
        registry.register(
            "device_refusals",
            "Messages of devices refused, by why: bad-signature and replayed are what forgers get",
            self.refusals.clone(),
        );
        registry.register(
            "clone_alarms",
            "Times that two devices showed themselves with one key",
            self.alarms.clone(),
        );
        registry.register(
            "devices_alarmed",
            "Devices there is an alarm about, until it is settled or the key revoked",
            self.alarmed.clone(),
        );
        registry.register_with_unit(
            "image_sent",
            "Image bytes handed to the network",
            Unit::Bytes,
            self.image_bytes.clone(),
        );
        registry.register(
            "image_links",
            "Downloads sent to the image store itself",
            self.image_links.clone(),
        );
        registry.register_with_unit(
            "tuf_expiry_timestamp",
            "When the newest file of each kind of the TUF repository expires, since 1970",
            Unit::Seconds,
            self.tuf_expiry.clone(),
        );
        registry.register(
            "tuf_readable",
            "1, or 0 while the TUF repository is damaged or cannot be read; its expiry is not told then",
            self.tuf_readable.clone(),
        );
        self
    }

    /// A request was answered. `route` is the route's template, never the path that came in.
    pub(crate) fn request(&self, route: &'static str, status: u16, seconds: f64) {
        let route = Fixed(route);
        self.requests
            .get_or_create(&RequestLabels { route, status })
            .inc();
        self.duration
            .get_or_create(&RouteLabel { route })
            .observe(seconds);
    }

    /// A request was turned away, and is not counted as one that was answered.
    pub(crate) fn turned_away(&self, why: Unheard) {
        self.turned_away.get_or_create(&why.label()).inc();
    }

    /// A check-in was answered.
    pub(crate) fn decided(&self, offered: bool) {
        let kind = Fixed(if offered { "install" } else { "nothing" });
        self.check_ins.get_or_create(&KindLabel { kind }).inc();
    }

    /// A report was kept.
    pub(crate) fn reported(&self, event: Event) {
        let kind = Fixed(event_name(event));
        self.reports.get_or_create(&KindLabel { kind }).inc();
    }

    /// A device's message was refused.
    pub(crate) fn refused(&self, code: ProblemCode) {
        let kind = Fixed(problem_name(code));
        self.refusals.get_or_create(&KindLabel { kind }).inc();
    }

    /// Two devices showed themselves with one key.
    pub(crate) fn alarmed(&self) {
        self.alarms.inc();
    }

    /// Part of an image was handed to the network.
    pub(crate) fn image_bytes(&self, bytes: u64) {
        self.image_bytes.inc_by(bytes);
    }

    /// Whoever wanted an image was sent to the store itself.
    pub(crate) fn image_link(&self) {
        self.image_links.inc();
    }

    /// Everything, as text. `devices`, `alarmed` and `tuf` are what is so at this moment; `None` is a repository that
    /// cannot be read.
    ///
    /// # Errors
    /// Formatting failed.
    pub(crate) fn render(
        &self,
        devices: &[(State, i64)],
        alarmed: i64,
        tuf: Option<&[Standing]>,
    ) -> Result<String, std::fmt::Error> {
        for state in State::ALL {
            let count = devices
                .iter()
                .find(|(of, _)| of == state)
                .map_or(0, |(_, count)| *count);
            let kind = Fixed(state.as_str());
            self.devices.get_or_create(&KindLabel { kind }).set(count);
        }
        self.alarmed.set(alarmed);
        self.tuf_readable.set(i64::from(tuf.is_some()));
        if tuf.is_none() {
            // What was so at an earlier look is not told of a repository that cannot be read now.
            self.tuf_expiry.clear();
        }
        for file in tuf.unwrap_or_default() {
            let role = Fixed(file.role.as_str());
            let expires = i64::try_from(file.expires.unix_s()).unwrap_or(i64::MAX);
            self.tuf_expiry.get_or_create(&RoleLabel { role }).set(expires);
        }
        let mut text = String::new();
        encode(&mut text, &self.registry)?;
        Ok(text)
    }
}

/// Every event that a device reports.
const EVENTS: [Event; 5] = [
    Event::Requested,
    Event::RefusedByApp,
    Event::RefusedByBootloader,
    Event::Confirmed,
    Event::Reverted,
];

/// Every reason to refuse a device.
const PROBLEMS: [ProblemCode; 8] = [
    ProblemCode::AwaitingApproval,
    ProblemCode::BadSignature,
    ProblemCode::Busy,
    ProblemCode::Malformed,
    ProblemCode::NoSuchImage,
    ProblemCode::Replayed,
    ProblemCode::Revoked,
    ProblemCode::UnknownDevice,
];

/// How a reason to refuse a device is spelled in a label.
const fn problem_name(code: ProblemCode) -> &'static str {
    match code {
        ProblemCode::AwaitingApproval => "awaiting-approval",
        ProblemCode::BadSignature => "bad-signature",
        ProblemCode::Busy => "busy",
        ProblemCode::Malformed => "malformed",
        ProblemCode::NoSuchImage => "no-such-image",
        ProblemCode::Replayed => "replayed",
        ProblemCode::Revoked => "revoked",
        ProblemCode::UnknownDevice => "unknown-device",
    }
}
