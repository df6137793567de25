//! What such devices send, read: fields that nothing rests on are passed over, as clients send various ones; what
//! something rests on has to be there.

use std::collections::BTreeMap;

use latchkey_image::SecurityCounter;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::domain::hawkbit::{Said, Told};
use crate::failure::{Failure, Kind, Outcome};
use crate::ids;

#[derive(Deserialize)]
struct Feedback {
    status: Status,
}

#[derive(Deserialize)]
struct Status {
    execution: Execution,
    result: Outcomes,
}

#[derive(Deserialize)]
struct Outcomes {
    finished: Finished,
}

#[derive(Clone, Copy, PartialEq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Execution {
    Canceled,
    Closed,
    Download,
    Downloaded,
    Proceeding,
    Rejected,
    Resumed,
    Scheduled,
}

#[derive(Clone, Copy, PartialEq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Finished {
    Failure,
    None,
    Success,
}

#[derive(Deserialize)]
struct ConfigData {
    data: BTreeMap<String, Value>,
}

fn read<T: DeserializeOwned>(body: &[u8]) -> Outcome<T> {
    serde_json::from_slice(body).map_err(|error| invalid(format!("the body is not hawkBit's JSON: {error}")))
}

fn invalid(what: impl std::fmt::Display) -> Failure {
    Failure::new(Kind::Invalid, format!("{what}. Nothing was kept"))
}

/// What is said of a deployment.
pub(super) fn of_deployment(body: &[u8]) -> Outcome<Said> {
    let Status { execution, result } = read::<Feedback>(body)?.status;
    match (execution, result.finished) {
        (Execution::Closed, Finished::Success) => Ok(Said::Done),
        (Execution::Closed, Finished::Failure) | (Execution::Canceled, _) => Ok(Said::Failed),
        (Execution::Closed, Finished::None) => Err(invalid(
            "an action is closed with `success` or `failure`; `none` does not say whether the image runs",
        )),
        (Execution::Rejected, _) => Ok(Said::Remark),
        (
            Execution::Download
            | Execution::Downloaded
            | Execution::Proceeding
            | Execution::Resumed
            | Execution::Scheduled,
            _,
        ) => Ok(Said::Underway),
    }
}

/// Whether the device leaves the action that it was told to leave.
pub(super) fn leaves(body: &[u8]) -> Outcome<bool> {
    let Status { execution, result } = read::<Feedback>(body)?.status;
    Ok(match execution {
        Execution::Closed => result.finished != Finished::Failure,
        Execution::Canceled => true,
        Execution::Download
        | Execution::Downloaded
        | Execution::Proceeding
        | Execution::Rejected
        | Execution::Resumed
        | Execution::Scheduled => false,
    })
}

/// What the device runs, by its attributes.
pub(super) fn told(body: &[u8]) -> Outcome<Told> {
    let data = read::<ConfigData>(body)?.data;
    let attribute = |name: &str| match data.get(name) {
        Some(Value::String(text)) => Ok(text.clone()),
        Some(Value::Number(number)) => Ok(number.to_string()),
        Some(Value::Array(_) | Value::Bool(_) | Value::Null | Value::Object(_)) | None => {
            Err(invalid(format!(
                "the attribute `{name}` is missing: a device tells what it runs as `version`, such as 1.2.0, and `counter`, \
             its security counter"
            )))
        }
    };
    let (version, counter) = (attribute("version")?, attribute("counter")?);
    let read = ids::version(&version).or_else(|| ids::version(&format!("{version}+0")));
    Ok(Told {
        version: read.ok_or_else(|| invalid("`version` is written as 1.2.0 or 1.2.0+3"))?,
        counter: counter
            .parse()
            .map(SecurityCounter)
            .map_err(|_| invalid("`counter` is a number from 0 to 4294967295"))?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_clients_say_is_understood() {
        for (execution, finished, said) in [
            ("closed", "success", Some(Said::Done)),
            ("closed", "failure", Some(Said::Failed)),
            ("closed", "none", None),
            ("canceled", "none", Some(Said::Failed)),
            ("rejected", "none", Some(Said::Remark)),
            ("proceeding", "none", Some(Said::Underway)),
            ("proceeding", "success", Some(Said::Underway)),
            ("downloaded", "none", Some(Said::Underway)),
            ("finished", "success", None),
            ("closed", "maybe", None),
        ] {
            let body = format!(
                r#"{{"id":8,"time":"20260101T000000","status":{{"execution":"{execution}",
                "result":{{"finished":"{finished}","progress":{{"cnt":1,"of":2}}}},"details":["x"]}}}}"#
            );
            assert_eq!(
                of_deployment(body.as_bytes()).ok(),
                said,
                "{execution} {finished}"
            );
        }
    }

    #[test]
    fn what_does_not_say_what_runs_is_refused_by_name() {
        for (data, why) in [
            ("{}", "`version` is missing"),
            (r#"{"version":"1.0.0"}"#, "`counter` is missing"),
            (r#"{"version":"1.0","counter":"1"}"#, "written as 1.2.0"),
            (r#"{"version":"1.0.0","counter":"-1"}"#, "a number from 0"),
            (r#"{"version":["1.0.0"],"counter":1}"#, "`version` is missing"),
            ("[]", "not hawkBit's JSON"),
        ] {
            let body = format!(r#"{{"mode":"merge","data":{data}}}"#);
            let failure = told(body.as_bytes()).unwrap_err();
            assert!(failure.detail.contains(why), "{data}: {}", failure.detail);
        }
        for version in ["1.2.3", "1.2.3+0"] {
            let body = format!(r#"{{"data":{{"version":"{version}","counter":7,"board":"x"}}}}"#);
            let told = told(body.as_bytes()).unwrap();
            assert_eq!(
                (told.version.to_string().as_str(), told.counter.0),
                ("1.2.3+0", 7)
            );
        }
    }
}
