//! Affected locks in the operator API: counts for a report, and the list of them, which may be long and so goes out as it
//! is read.

use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use csv::Writer;
use futures_util::stream;
use latchkey_directive::DeviceId;
use latchkey_image::{Hardware, SecurityCounter};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::App;
use super::payload::Asked;
use super::problem::Document;
use crate::Service;
use crate::domain::bound::Bound;
use crate::domain::device;
use crate::domain::incident::{Affected, Build, Count, Criteria, Report};
use crate::domain::policy::hardware;
use crate::failure::{Failure, Kind, Outcome};
use crate::ids;
use crate::limits::PAGE_ROWS_MAX;

/// Which locks are affected. All that is given must hold; something must be given.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Which {
    /// Those that run this image: its digest, 64 lower-case hex digits.
    release: Option<String>,
    /// Those of this hardware class, by its name.
    class: Option<String>,
    /// Those that run this version or a later one: `1.2.3+4`, or `1.2.3`, `1.2` or `1`, with every version that begins so.
    from: Option<String>,
    /// Those that run this version or an earlier one. Parts that are left out are whatever they are: up to `1.2.3` is up
    /// to its last build, up to `1.2` is up to the last 1.2.
    to: Option<String>,
    /// Those whose image has this security counter or a higher one.
    counter_from: Option<u32>,
    /// Those whose image has this security counter or a lower one.
    counter_to: Option<u32>,
}

impl Which {
    fn criteria(&self) -> Outcome<Criteria> {
        let invalid = |what: &str| Failure::new(Kind::Invalid, what.to_owned());
        let bound = |text: &Option<String>| -> Outcome<Option<Bound>> {
            let read = |text: &String| {
                text.parse().map_err(|_| {
                    invalid("a bound is a version of the form 1.2.3+4; only its last parts may be left out")
                })
            };
            text.as_ref().map(read).transpose()
        };
        let digest =
            |text: &String| ids::digest(text).ok_or_else(|| invalid("a digest is 64 lower-case hex digits"));
        let class = self.class.as_deref().map(hardware).transpose()?;
        let criteria = Criteria {
            release: self.release.as_ref().map(digest).transpose()?,
            hardware: class.map(|hardware| (hardware.vendor, hardware.class)),
            from: bound(&self.from)?,
            to: bound(&self.to)?,
            counter_from: self.counter_from.map(SecurityCounter),
            counter_to: self.counter_to.map(SecurityCounter),
        };
        criteria.check()?;
        Ok(criteria)
    }
}

/// How many locks are affected.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Incident)]
pub(super) struct ReportView {
    at_ms: i64,
    /// From which version on was asked, as it was written.
    from: Option<String>,
    /// Up to which version was asked, as it was written.
    to: Option<String>,
    /// All that are affected by what they said they run.
    devices: i64,
    /// More that are if they run the release that they were told to install or asked their bootloader for: they have not
    /// said since what came of it, and a release that breaks locks leaves them so.
    may_run: i64,
    /// By hardware and version.
    counts: Vec<CountView>,
    /// Locks that are let in and never said what they run: nobody can leave them out.
    unknown: i64,
}

/// How many locks run one build.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = IncidentCount)]
pub(super) struct CountView {
    /// Vendor UUID.
    vendor: String,
    /// Hardware class UUID.
    class: String,
    class_name: Option<&'static str>,
    version: String,
    security_counter: u32,
    /// Digest of the image.
    digest: String,
    devices: i64,
    /// Those of them that called within the last week.
    seen_within_a_week: i64,
    /// More that were told to install it or asked their bootloader for it, and have not said since what came of it.
    may_run: i64,
}

/// A lock that is affected.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AffectedDevice)]
pub(super) struct AffectedView {
    /// Its name: 32 hex digits.
    device: String,
    state: device::State,
    vendor: String,
    class: String,
    class_name: Option<&'static str>,
    version: String,
    security_counter: u32,
    digest: String,
    last_seen_ms: Option<i64>,
    /// The version that it is affected by, where that is not what it said it runs, but what it was told to install or
    /// asked its bootloader for and may run by now: it has not said since what came of it.
    may_run: Option<String>,
}

fn class_name(build: &Build) -> Option<&'static str> {
    Hardware::find(build.vendor, build.class).map(|hardware| hardware.class_name)
}

impl From<Count> for CountView {
    fn from(count: Count) -> Self {
        let build = count.build;
        Self {
            vendor: build.vendor.to_string(),
            class: build.class.to_string(),
            class_name: class_name(&build),
            version: build.version.to_string(),
            security_counter: build.counter.0,
            digest: build.image.to_string(),
            devices: count.devices,
            seen_within_a_week: count.seen,
            may_run: count.may_run,
        }
    }
}

impl ReportView {
    fn of(criteria: &Criteria, report: Report) -> Self {
        let written = |bound: Option<Bound>| bound.map(|bound| bound.to_string());
        Self {
            at_ms: report.at,
            from: written(criteria.from),
            to: written(criteria.to),
            devices: report.devices,
            may_run: report.may_run,
            counts: report.counts.into_iter().map(Into::into).collect(),
            unknown: report.unknown,
        }
    }
}

impl From<Affected> for AffectedView {
    fn from(affected: Affected) -> Self {
        let (device, build) = (affected.device, affected.runs);
        Self {
            device: device.id.to_string(),
            state: device.state,
            vendor: build.vendor.to_string(),
            class: build.class.to_string(),
            class_name: class_name(&build),
            version: build.version.to_string(),
            security_counter: build.counter.0,
            digest: build.image.to_string(),
            last_seen_ms: device.last_seen,
            may_run: affected.may_run.map(|build| build.version.to_string()),
        }
    }
}

/// How many locks are affected, by hardware and version: what an early warning within a day has to say.
#[utoipa::path(
    get, path = "/api/v1/incidents/affected", tag = "incidents", security(("token" = [])), params(Which),
    responses((status = 200, body = ReportView), (status = "4XX", body = Document)),
)]
pub(super) async fn report(State(app): State<App>, Asked(which): Asked<Which>) -> Outcome<Json<ReportView>> {
    let criteria = which.criteria()?;
    let report = app.service.incident(&criteria).await?;
    Ok(Json(ReportView::of(&criteria, report)))
}

/// Every affected lock, in the order of their names, as one JSON array.
#[utoipa::path(
    get, path = "/api/v1/incidents/affected.json", tag = "incidents", security(("token" = [])), params(Which),
    responses((status = 200, body = Vec<AffectedView>), (status = "4XX", body = Document)),
)]
pub(super) async fn json(State(app): State<App>, Asked(which): Asked<Which>) -> Outcome<Response> {
    list(&app, &which, Form::Json)
}

/// Every affected lock, in the order of their names, as CSV with a line of column names.
#[utoipa::path(
    get, path = "/api/v1/incidents/affected.csv", tag = "incidents", security(("token" = [])), params(Which),
    responses(
        (status = 200, description = "One line for each lock", content_type = "text/csv"),
        (status = "4XX", body = Document),
    ),
)]
pub(super) async fn csv(State(app): State<App>, Asked(which): Asked<Which>) -> Outcome<Response> {
    list(&app, &which, Form::Csv)
}

#[derive(Clone, Copy)]
enum Form {
    Csv,
    Json,
}

/// Where a list stands that is being sent.
struct Sending {
    service: Arc<Service>,
    criteria: Criteria,
    form: Form,
    after: Option<DeviceId>,
    progress: Progress,
}

/// How much has been sent.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Progress {
    Nothing,
    /// The head of the list and no lock.
    Begun,
    /// Locks.
    Some,
    All,
}

impl Progress {
    const fn after(self, page_is_empty: bool, last: bool) -> Self {
        match self {
            _ if last => Self::All,
            Self::Nothing | Self::Begun if page_is_empty => Self::Begun,
            Self::Nothing | Self::Begun | Self::Some | Self::All => Self::Some,
        }
    }
}

fn list(app: &App, which: &Which, form: Form) -> Outcome<Response> {
    let sending = Sending {
        service: app.service.clone(),
        criteria: which.criteria()?,
        form,
        after: None,
        progress: Progress::Nothing,
    };
    let (media, name) = match form {
        Form::Csv => ("text/csv; charset=utf-8", "attachment; filename=\"affected.csv\""),
        Form::Json => ("application/json", "inline"),
    };
    let headers = [(header::CONTENT_TYPE, media), (header::CONTENT_DISPOSITION, name)];
    // A failure on the way breaks the answer off, so that half a list is not taken for all of it.
    let pieces = stream::try_unfold(sending, async |sending| match sending.progress {
        Progress::All => Ok(None),
        Progress::Nothing | Progress::Begun | Progress::Some => sending.next().await.map(Some),
    });
    Ok((headers, Body::from_stream(Box::pin(pieces))).into_response())
}

impl Sending {
    /// The next piece: one page of the fleet, whatever of it is affected.
    async fn next(mut self) -> Outcome<(Bytes, Self)> {
        let (found, next) = self
            .service
            .affected(&self.criteria, self.after, PAGE_ROWS_MAX)
            .await?;
        let found: Vec<AffectedView> = found.into_iter().map(Into::into).collect();
        let piece = match self.form {
            Form::Csv => csv_piece(&found, self.progress)?,
            Form::Json => json_piece(&found, self.progress, next.is_none())?,
        };
        self.progress = self.progress.after(found.is_empty(), next.is_none());
        self.after = next;
        Ok((Bytes::from(piece), self))
    }
}

/// No cell holds what a stranger wrote, so none is a formula to a spreadsheet.
fn csv_piece(found: &[AffectedView], progress: Progress) -> Outcome<Vec<u8>> {
    let mut writer = Writer::from_writer(Vec::new());
    if progress == Progress::Nothing {
        writer
            .write_record([
                "device",
                "state",
                "vendor",
                "class",
                "class_name",
                "version",
                "security_counter",
                "digest",
                "last_seen_ms",
                "may_run",
            ])
            .map_err(Failure::storage)?;
    }
    for lock in found {
        let counter = lock.security_counter.to_string();
        let seen = lock.last_seen_ms.map(|seen| seen.to_string()).unwrap_or_default();
        writer
            .write_record([
                &lock.device,
                lock.state.as_str(),
                &lock.vendor,
                &lock.class,
                lock.class_name.unwrap_or_default(),
                &lock.version,
                &counter,
                &lock.digest,
                &seen,
                lock.may_run.as_deref().unwrap_or_default(),
            ])
            .map_err(Failure::storage)?;
    }
    writer
        .into_inner()
        .map_err(|error| Failure::storage(error.to_string()))
}

fn json_piece(found: &[AffectedView], progress: Progress, last: bool) -> Outcome<Vec<u8>> {
    let mut piece = Vec::new();
    if progress == Progress::Nothing {
        piece.push(b'[');
    }
    for (index, lock) in found.iter().enumerate() {
        if index > 0 || progress == Progress::Some {
            piece.push(b',');
        }
        serde_json::to_writer(&mut piece, lock).map_err(Failure::storage)?;
    }
    if last {
        piece.push(b']');
    }
    Ok(piece)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lock(number: u8) -> AffectedView {
        AffectedView {
            device: format!("{number:032x}"),
            state: device::State::Approved,
            vendor: "v".to_owned(),
            class: "c".to_owned(),
            class_name: None,
            version: "1.0.0+0".to_owned(),
            security_counter: 1,
            digest: "d".to_owned(),
            last_seen_ms: None,
            may_run: None,
        }
    }

    /// However the fleet falls into pages, with or without affected locks in each, the pieces are one JSON array.
    #[test]
    fn pieces_make_one_list() {
        for pages in [
            &[0][..],
            &[2],
            &[0, 0],
            &[0, 2],
            &[2, 0],
            &[0, 1, 0, 2, 0],
            &[1, 1],
        ] {
            let (mut json, mut csv) = (Vec::new(), Vec::new());
            let mut progress = Progress::Nothing;
            for (index, count) in pages.iter().enumerate() {
                let found: Vec<_> = (0..*count).map(lock).collect();
                let last = index + 1 == pages.len();
                json.extend(json_piece(&found, progress, last).unwrap());
                csv.extend(csv_piece(&found, progress).unwrap());
                progress = progress.after(found.is_empty(), last);
            }
            let total = pages.iter().map(|count| usize::from(*count)).sum::<usize>();
            let read: Vec<serde_json::Value> = serde_json::from_slice(&json).unwrap();
            assert_eq!(read.len(), total, "{pages:?}");
            assert_eq!(
                csv.iter().filter(|byte| **byte == b'\n').count(),
                total + 1,
                "{pages:?}"
            );
        }
    }
}
