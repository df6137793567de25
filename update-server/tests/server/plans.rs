//! What is asked of the database while a lock is answered: never a walk over a table that grows with the fleet.
//!
//! The statements are those that really run, as sqlx logs them; so a new one is looked at without anybody's doing.

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::sync::{Arc, Mutex};

use latchkey_directive::Event;
use sqlx::{AnyConnection, Connection as _, Row as _};
use tracing::Instrument as _;
use tracing::field::{Field, Visit};

use tracing_subscriber::layer::{Context, Layer, SubscriberExt as _};
use tracing_subscriber::registry::LookupSpan;

use crate::databases;
use crate::support::{Draft, Harness};

/// The span whose statements count; other tests run in this process too.
const SPAN: &str = "while a lock is answered";

#[derive(Clone, Default)]
struct Statements(Arc<Mutex<BTreeSet<String>>>);

#[derive(Default)]
struct Fields {
    summary: String,
    statement: String,
}

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "summary" => value.clone_into(&mut self.summary),
            "db.statement" => value.clone_into(&mut self.statement),
            _ => {}
        }
    }

    fn record_debug(&mut self, _: &Field, _: &dyn Debug) {}
}

impl<S> Layer<S> for Statements
where
    S: tracing::Subscriber + for<'s> LookupSpan<'s>,
{
    fn on_event(&self, event: &tracing::Event<'_>, context: Context<'_, S>) {
        let ours = || {
            let mut scope = context.event_scope(event)?;
            scope.find(|span| span.name() == SPAN)
        };
        if event.metadata().target() != "sqlx::query" || ours().is_none() {
            return;
        }
        let mut fields = Fields::default();
        event.record(&mut fields);
        // Short ones are their own summary.
        let statement = if fields.statement.trim().is_empty() {
            fields.summary
        } else {
            fields.statement
        };
        self.0.lock().unwrap().insert(statement.trim().to_owned());
    }
}

/// Tables with a row, or more, for each device.
const LARGE: [&str; 6] = [
    "devices",
    "reports",
    "rollout_offers",
    "audit",
    "cohort_devices",
    "rollout_cohort_devices",
];

#[tokio::test]
async fn no_lock_is_answered_by_walking_over_the_fleet() {
    if databases::is_postgres() {
        // How PostgreSQL goes about it depends on how much there is; the indexes are the same.
        return;
    }
    let statements = Statements::default();
    tracing::subscriber::set_global_default(tracing_subscriber::registry().with(statements.clone())).unwrap();
    let harness = Harness::ready().await;
    let image = harness.publish(&Draft::new(2, 7)).await;
    harness.roll_out(image).await;
    let mut lock = harness.lock().await;
    async {
        assert_eq!(harness.offered(&mut lock).await, Some(image));
        harness.report(&mut lock, Event::Requested, image, 0).await;
        lock.runs(image, 2, 7);
        harness.report(&mut lock, Event::Confirmed, image, 0).await;
        harness.check_in(&mut lock).await;
        harness.report(&mut lock, Event::Reverted, image, 0).await;
        harness.service.write_presence().await.unwrap();
    }
    .instrument(tracing::info_span!(SPAN))
    .await;

    let mut database = AnyConnection::connect(&databases::of(harness.folder.path()).await)
        .await
        .unwrap();
    let statements = statements.0.lock().unwrap().clone();
    let mut explained = 0;
    for statement in &statements {
        if !["SELECT", "UPDATE", "INSERT", "WITH"]
            .iter()
            .any(|verb| statement.starts_with(verb))
        {
            continue;
        }
        let explain = sqlx::AssertSqlSafe(format!("EXPLAIN QUERY PLAN {statement}"));
        let rows = sqlx::query(explain).fetch_all(&mut database).await.unwrap();
        let steps: Vec<String> = rows.iter().map(|row| row.get("detail")).collect();
        for step in &steps {
            let Some(scanned) = step.strip_prefix("SCAN ") else {
                continue;
            };
            let is_large = LARGE.iter().any(|table| scanned.contains(table));
            // A short list that the statement itself made is gone through by any name.
            let is_list = steps.contains(&format!("MATERIALIZE {scanned}"));
            let is_alias = ["d", "m", "n", "o", "p"].contains(&scanned) && !is_list;
            assert!(!is_large && !is_alias, "{step}: {statement}");
        }
        explained += steps.len();
    }
    assert!(
        explained >= 8,
        "only {explained} steps were seen: {statements:#?}"
    );
    let must = ["FROM devices", "FROM rollouts", "rollout_offers", "INTO reports"];
    for table in must {
        let seen = statements.iter().any(|statement| statement.contains(table));
        assert!(seen, "nothing with {table} was seen: {statements:#?}");
    }
}
