//! Every route, who may use it, and how long its body may be. The only place that hands a handler to axum.

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::handler::Handler;
use axum::http::{Method, Uri};
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{MethodFilter, on};

use super::gate::{Access, Gate, pass};
use super::{
    App, cohorts, dashboard, devices, documents, hawkbit, image_file, incidents, lifetimes, locks, openapi,
    operations, owners, policies, releases, rollouts, sessions, tokens, tuf, web_app, webhooks,
};
use crate::domain::access::Permission::{Administer, Operate, Publish, Read};
use crate::failure::{Failure, Kind};
use crate::limits::{
    DEVICE_BODY_BYTES_MAX, DOCUMENT_BYTES_MAX, FORM_BYTES_MAX, HAWKBIT_BODY_BYTES_MAX, IMAGE_BYTES_MAX,
    LIST_FILE_BYTES_MAX, METADATA_BODY_BYTES_MAX, OPERATOR_BODY_BYTES_MAX, SIGN_IN_FORM_BYTES_MAX,
};

/// A route, for whoever wants to check them all.
#[derive(Clone, Debug)]
pub struct Route {
    /// What is done.
    pub method: Method,
    /// The path's template.
    pub path: &'static str,
    /// Who may.
    pub access: Access,
}

/// Collects routes; what is not added here does not exist.
struct Routes {
    app: App,
    router: Router<App>,
    table: Vec<Route>,
}

/// All routes, ready to serve, and the list of them.
pub fn routes(app: &App) -> (Router, Vec<Route>) {
    const NONE: usize = 0;
    const TEXT: usize = OPERATOR_BODY_BYTES_MAX;
    const LOCK: usize = DEVICE_BODY_BYTES_MAX;
    let all = Routes {
        app: app.clone(),
        router: Router::new(),
        table: Vec::new(),
    };
    let all = all
        .add(Method::POST, "/device/v1/enrol", Access::Lock, LOCK, locks::enrol)
        .add(
            Method::POST,
            "/device/v1/check-in",
            Access::Lock,
            LOCK,
            locks::check_in,
        )
        .add(
            Method::POST,
            "/device/v1/report",
            Access::Lock,
            LOCK,
            locks::report,
        )
        .add(
            Method::GET,
            "/device/v1/images/{digest}",
            Access::Lock,
            NONE,
            image_file::get,
        )
        .add(
            Method::GET,
            "/api/v1/webhooks",
            Access::Token(Administer),
            NONE,
            webhooks::list,
        )
        .add(
            Method::POST,
            "/api/v1/webhooks",
            Access::Token(Administer),
            TEXT,
            webhooks::create,
        )
        .add(
            Method::DELETE,
            "/api/v1/webhooks/{id}",
            Access::Token(Administer),
            NONE,
            webhooks::remove,
        )
        .add(
            Method::GET,
            "/api/v1/sessions",
            Access::Token(Administer),
            NONE,
            sessions::list,
        )
        .add(
            Method::POST,
            "/api/v1/sessions/end",
            Access::Token(Administer),
            TEXT,
            sessions::end,
        )
        .add(
            Method::GET,
            "/owner/v1/support",
            Access::Public,
            NONE,
            lifetimes::list,
        )
        .add(
            Method::PUT,
            "/api/v1/support/{class}",
            Access::Token(Administer),
            TEXT,
            lifetimes::set,
        )
        .add(
            Method::GET,
            "/owner/v1/update",
            Access::Public,
            NONE,
            owners::update,
        )
        .add(
            Method::GET,
            "/owner/v1/images/{digest}",
            Access::Public,
            NONE,
            image_file::download,
        )
        .add(
            Method::GET,
            operations::HEALTH,
            Access::Public,
            NONE,
            operations::health,
        )
        .add(Method::GET, "/openapi.json", Access::Public, NONE, openapi::get)
        .add(Method::GET, "/app/", Access::Public, NONE, web_app::index)
        .add(Method::GET, "/app/{file}", Access::Public, NONE, web_app::file)
        .add(
            Method::GET,
            "/tuf/metadata/{file}",
            Access::Public,
            NONE,
            tuf::metadata,
        )
        .add(
            Method::GET,
            "/tuf/targets/{file}",
            Access::Public,
            NONE,
            tuf::target,
        )
        .add(
            Method::GET,
            "/api/v1/tuf",
            Access::Token(Read),
            NONE,
            tuf::overview,
        )
        .add(
            Method::POST,
            "/api/v1/tuf",
            Access::Token(Publish),
            METADATA_BODY_BYTES_MAX,
            tuf::publish,
        )
        .add(
            Method::GET,
            "/api/v1/releases/{digest}/documents",
            Access::Token(Read),
            NONE,
            documents::list,
        )
        .add(
            Method::GET,
            "/api/v1/releases/{digest}/documents/{kind}",
            Access::Token(Read),
            NONE,
            documents::get,
        )
        .add(
            Method::POST,
            "/api/v1/releases/{digest}/documents/{kind}",
            Access::Token(Publish),
            DOCUMENT_BYTES_MAX,
            documents::add,
        )
        .add(
            Method::GET,
            "/api/v1/incidents/affected",
            Access::Token(Read),
            NONE,
            incidents::report,
        )
        .add(
            Method::GET,
            "/api/v1/incidents/affected.csv",
            Access::Token(Read),
            NONE,
            incidents::csv,
        )
        .add(
            Method::GET,
            "/api/v1/incidents/affected.json",
            Access::Token(Read),
            NONE,
            incidents::json,
        )
        .add(
            Method::POST,
            "/api/v1/devices/import",
            Access::Token(Operate),
            LIST_FILE_BYTES_MAX,
            devices::import,
        )
        .add(
            Method::POST,
            "/api/v1/devices/hawkbit",
            Access::Token(Operate),
            TEXT,
            devices::add_hawkbit,
        )
        .add(
            Method::GET,
            "/metrics",
            Access::Token(Read),
            NONE,
            operations::metrics,
        )
        .add(
            Method::GET,
            "/api/v1/audit",
            Access::Token(Read),
            NONE,
            operations::audit,
        )
        .add(
            Method::GET,
            "/api/v1/audit/head",
            Access::Token(Read),
            NONE,
            operations::audit_head,
        )
        .add(
            Method::GET,
            "/api/v1/tokens",
            Access::Token(Administer),
            NONE,
            tokens::list,
        )
        .add(
            Method::POST,
            "/api/v1/tokens",
            Access::Token(Administer),
            TEXT,
            tokens::create,
        )
        .add(
            Method::DELETE,
            "/api/v1/tokens/{id}",
            Access::Token(Administer),
            NONE,
            tokens::revoke,
        )
        .add(
            Method::GET,
            "/api/v1/policies",
            Access::Token(Read),
            NONE,
            policies::list,
        )
        .add(
            Method::PUT,
            "/api/v1/policies/{class}",
            Access::Token(Administer),
            TEXT,
            policies::set,
        )
        .add(
            Method::GET,
            "/api/v1/releases",
            Access::Token(Read),
            NONE,
            releases::list,
        )
        .add(
            Method::POST,
            "/api/v1/releases",
            Access::Token(Publish),
            IMAGE_BYTES_MAX,
            releases::upload,
        )
        .add(
            Method::GET,
            "/api/v1/releases/{digest}",
            Access::Token(Read),
            NONE,
            releases::get,
        )
        .add(
            Method::GET,
            "/api/v1/devices",
            Access::Token(Read),
            NONE,
            devices::list,
        )
        .add(
            Method::POST,
            "/api/v1/devices",
            Access::Token(Operate),
            TEXT,
            devices::expect,
        )
        .add(
            Method::GET,
            "/api/v1/devices/{id}",
            Access::Token(Read),
            NONE,
            devices::get,
        )
        .add(
            Method::GET,
            "/api/v1/devices/{id}/decision",
            Access::Token(Read),
            NONE,
            devices::decision,
        )
        .add(
            Method::GET,
            "/api/v1/devices/{id}/reports",
            Access::Token(Read),
            NONE,
            devices::reports,
        )
        .add(
            Method::POST,
            "/api/v1/devices/{id}/approve",
            Access::Token(Operate),
            NONE,
            devices::approve,
        )
        .add(
            Method::POST,
            "/api/v1/devices/{id}/revoke",
            Access::Token(Operate),
            NONE,
            devices::revoke,
        )
        .add(
            Method::POST,
            "/api/v1/devices/{id}/settle",
            Access::Token(Operate),
            NONE,
            devices::settle,
        )
        .add(
            Method::PUT,
            "/api/v1/devices/{id}/wishes",
            Access::Token(Operate),
            TEXT,
            devices::wishes,
        )
        .add(
            Method::GET,
            "/api/v1/cohorts",
            Access::Token(Read),
            NONE,
            cohorts::list,
        )
        .add(
            Method::POST,
            "/api/v1/cohorts",
            Access::Token(Operate),
            TEXT,
            cohorts::create,
        )
        .add(
            Method::GET,
            "/api/v1/cohorts/{cohort}/devices",
            Access::Token(Read),
            NONE,
            cohorts::devices,
        )
        .add(
            Method::POST,
            "/api/v1/cohorts/{cohort}/devices",
            Access::Token(Operate),
            TEXT,
            cohorts::add,
        )
        .add(
            Method::POST,
            "/api/v1/cohorts/{cohort}/import",
            Access::Token(Operate),
            LIST_FILE_BYTES_MAX,
            cohorts::import,
        )
        .add(
            Method::GET,
            "/api/v1/rollouts",
            Access::Token(Read),
            NONE,
            rollouts::list,
        )
        .add(
            Method::POST,
            "/api/v1/rollouts",
            Access::Token(Operate),
            TEXT,
            rollouts::create,
        )
        .add(
            Method::GET,
            "/api/v1/rollouts/{id}",
            Access::Token(Read),
            NONE,
            rollouts::get,
        )
        .add(
            Method::GET,
            "/api/v1/rollouts/{id}/devices",
            Access::Token(Read),
            NONE,
            rollouts::members,
        )
        .add(
            Method::GET,
            "/api/v1/rollouts/{id}/preview",
            Access::Token(Read),
            NONE,
            rollouts::preview,
        )
        .add(
            Method::POST,
            "/api/v1/rollouts/{id}/devices/{device}/retry",
            Access::Token(Operate),
            NONE,
            rollouts::retry,
        )
        .add(
            Method::POST,
            "/api/v1/rollouts/{id}/widen",
            Access::Token(Operate),
            TEXT,
            rollouts::widen,
        )
        .add(
            Method::POST,
            "/api/v1/rollouts/{id}/pause",
            Access::Token(Operate),
            NONE,
            rollouts::pause,
        )
        .add(
            Method::POST,
            "/api/v1/rollouts/{id}/resume",
            Access::Token(Operate),
            NONE,
            rollouts::resume,
        )
        .add(
            Method::POST,
            "/api/v1/rollouts/{id}/abort",
            Access::Token(Operate),
            NONE,
            rollouts::abort,
        );
    let all = hawkbit_devices(pages(all));
    let router = all.router.fallback(nothing).method_not_allowed_fallback(nothing);
    (router.with_state(app.clone()), all.table)
}

/// The dashboard: what people see and click. A form is answered by "see other".
fn pages(all: Routes) -> Routes {
    const FORM: usize = FORM_BYTES_MAX;
    const SEE: Access = Access::Session(Read);
    const DO: Access = Access::Session(Operate);
    const ADMINISTER: Access = Access::Session(Administer);
    all.page("/", Access::Public, dashboard::root)
        .page("/dashboard/assets/{file}", Access::Public, dashboard::asset)
        .page("/dashboard/sign-in", Access::SignIn, dashboard::sign_in::show)
        .form(
            "/dashboard/sign-in",
            Access::SignIn,
            SIGN_IN_FORM_BYTES_MAX,
            dashboard::sign_in::enter,
        )
        .page(
            dashboard::provider::LEAVE,
            Access::SignIn,
            dashboard::provider::leave,
        )
        .page(
            dashboard::provider::CALLBACK,
            Access::SignIn,
            dashboard::provider::come_back,
        )
        .form("/dashboard/sign-out", SEE, FORM, dashboard::sign_in::leave)
        .page("/dashboard", SEE, dashboard::fleet::show)
        .page("/dashboard/live", SEE, dashboard::live::fleet)
        .page("/dashboard/rollouts", SEE, dashboard::rollouts::list)
        .page("/dashboard/rollouts/new", DO, dashboard::new_rollout::show)
        .form("/dashboard/rollouts", DO, FORM, dashboard::new_rollout::create)
        .page("/dashboard/rollouts/{id}", SEE, dashboard::rollouts::show)
        .page("/dashboard/rollouts/{id}/live", SEE, dashboard::live::rollout)
        .page(
            "/dashboard/rollouts/{id}/devices",
            SEE,
            dashboard::rollouts::members,
        )
        .form(
            "/dashboard/rollouts/{id}/devices/{device}/retry",
            DO,
            FORM,
            dashboard::steps::retry,
        )
        .page("/dashboard/rollouts/{id}/{step}", DO, dashboard::steps::ask)
        .form(
            "/dashboard/rollouts/{id}/{step}",
            DO,
            FORM,
            dashboard::steps::take,
        )
        .page("/dashboard/devices", SEE, dashboard::devices::list)
        .page("/dashboard/devices/{id}", SEE, dashboard::devices::show)
        .page("/dashboard/devices/{id}/{step}", DO, dashboard::devices::ask)
        .form(
            "/dashboard/devices/{id}/{step}",
            DO,
            FORM,
            dashboard::devices::take,
        )
        .page("/dashboard/releases", SEE, dashboard::releases::list)
        .page("/dashboard/releases/{digest}", SEE, dashboard::releases::show)
        .page("/dashboard/audit", SEE, dashboard::audit::show)
        .page("/dashboard/sessions", ADMINISTER, dashboard::sessions::list)
        .form(
            "/dashboard/sessions/end",
            ADMINISTER,
            FORM,
            dashboard::sessions::end,
        )
}

/// hawkBit's device interface, for devices by others: there at all only where an operator turned it on. A server has one
/// tenant, under the name that its clients take for granted.
fn hawkbit_devices(all: Routes) -> Routes {
    const TARGET: Access = Access::Target;
    if all.app.service.hawkbit_base().is_none() {
        return all;
    }
    all.add(
        Method::GET,
        "/DEFAULT/controller/v1/{device}",
        TARGET,
        0,
        hawkbit::poll,
    )
    .add(
        Method::PUT,
        "/DEFAULT/controller/v1/{device}/configData",
        TARGET,
        HAWKBIT_BODY_BYTES_MAX,
        hawkbit::config_data,
    )
    .add(
        Method::GET,
        "/DEFAULT/controller/v1/{device}/deploymentBase/{action}",
        TARGET,
        0,
        hawkbit::deployment,
    )
    .add(
        Method::POST,
        "/DEFAULT/controller/v1/{device}/deploymentBase/{action}/feedback",
        TARGET,
        HAWKBIT_BODY_BYTES_MAX,
        hawkbit::feedback,
    )
    .add(
        Method::GET,
        "/DEFAULT/controller/v1/{device}/cancelAction/{action}",
        TARGET,
        0,
        hawkbit::cancel,
    )
    .add(
        Method::POST,
        "/DEFAULT/controller/v1/{device}/cancelAction/{action}/feedback",
        TARGET,
        HAWKBIT_BODY_BYTES_MAX,
        hawkbit::cancel_feedback,
    )
    .add(
        Method::GET,
        "/DEFAULT/controller/v1/{device}/softwaremodules/{action}/artifacts/{file}",
        TARGET,
        0,
        hawkbit::artifact,
    )
}

impl Routes {
    fn page<H, T>(self, path: &'static str, access: Access, handler: H) -> Self
    where
        H: Handler<T, App>,
        T: 'static,
    {
        self.add(Method::GET, path, access, 0, handler)
    }

    fn form<H, T>(self, path: &'static str, access: Access, bytes_max: usize, handler: H) -> Self
    where
        H: Handler<T, App>,
        T: 'static,
    {
        self.add(Method::POST, path, access, bytes_max, handler)
    }

    fn add<H, T>(
        mut self,
        method: Method,
        path: &'static str,
        access: Access,
        body_bytes_max: usize,
        handler: H,
    ) -> Self
    where
        H: Handler<T, App>,
        T: 'static,
    {
        let gate = Gate {
            app: self.app.clone(),
            route: path,
            access,
            body_bytes_max,
        };
        // A method axum cannot route would be a route nobody reaches: GET then, which the route table's test sees.
        let filter = MethodFilter::try_from(method.clone()).unwrap_or(MethodFilter::GET);
        let handled = on(filter, handler)
            .route_layer(DefaultBodyLimit::max(body_bytes_max))
            .route_layer(from_fn_with_state(gate, pass));
        self.router = self.router.route(path, handled);
        self.table.push(Route { method, path, access });
        self
    }
}

async fn nothing(uri: Uri) -> Response {
    if dashboard::has(uri.path()) {
        return dashboard::nothing();
    }
    Failure::new(
        Kind::NotFound,
        "there is nothing here, or not for this method; /openapi.json lists what there is",
    )
    .into_response()
}
