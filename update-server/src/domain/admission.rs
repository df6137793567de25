//! Admission: who may come in by the word of an OpenID provider, as whom, and with which role.
//!
//! An ID token that was verified says of a person, in two claims that are configured, what they are called and which
//! groups they are in. The first group of the configured list that they are in gives the role; who is in none is not let
//! in. The group is what a session keeps: what it is worth is looked up anew at each request. Knows no HTTP and no keys.

use serde_json::Value;

use super::access::{Role, check_name};
use crate::failure::{Failure, Kind, Outcome};
use crate::limits::SUBJECT_BYTES_MAX;

/// Whom a provider's word lets in.
#[derive(Clone, Debug)]
pub struct Admission {
    /// The provider, by the name that it gives itself.
    pub issuer: String,
    /// The claim that says what a person is called. Where two persons are needed, who is called the same is one.
    pub person_claim: String,
    /// The claim that lists a person's groups.
    pub role_claim: String,
    /// What groups are worth, the one that counts first.
    pub roles: Vec<(String, Role)>,
}

/// Somebody whom a provider knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    /// The provider.
    pub issuer: String,
    /// The provider's name for them, which never changes.
    pub subject: String,
    /// What people call them.
    pub name: String,
    /// The group that lets them in.
    pub group: String,
}

impl Admission {
    /// What a person may do, as of now.
    #[must_use]
    pub fn role(&self, person: &Person) -> Option<Role> {
        let same = person.issuer == self.issuer;
        let mut roles = self.roles.iter().filter(|_| same);
        roles
            .find(|(group, _)| *group == person.group)
            .map(|(_, role)| *role)
    }

    /// Whom the claims of a verified ID token are about.
    ///
    /// # Errors
    /// [`Kind::Provider`] when a claim is missing or cannot be used; [`Kind::Forbidden`] when no group lets them in.
    pub fn admit(&self, claims: &Value) -> Outcome<Person> {
        let subject = claims.get("sub").and_then(Value::as_str).unwrap_or_default();
        let usable = subject.bytes().all(|byte| byte.is_ascii_graphic());
        if subject.is_empty() || subject.len() > SUBJECT_BYTES_MAX || !usable {
            return Err(unusable("sub", "is not 1 to 255 printable ASCII characters"));
        }
        let name = claims.get(&self.person_claim);
        let name = name.ok_or_else(|| unusable(&self.person_claim, "is not in the ID token"))?;
        let name = name.as_str().unwrap_or_default().trim();
        check_name("it", name).map_err(|failure| unusable(&self.person_claim, &failure.detail))?;
        let groups = claims.get(&self.role_claim);
        let groups = groups.ok_or_else(|| unusable(&self.role_claim, "is not in the ID token"))?;
        let is_in = |group: &str| match groups {
            Value::String(only) => only == group,
            Value::Array(many) => many.iter().any(|one| one.as_str() == Some(group)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => false,
        };
        let first = self.roles.iter().find(|(group, _)| is_in(group));
        let Some((group, _)) = first else {
            tracing::warn!(
                subject,
                name,
                "a person was not let in: no group of theirs has a role"
            );
            return Err(Failure::new(
                Kind::Forbidden,
                format!(
                    "the identity provider knows you as {name}, but none of your groups has a role here; nothing was \
                     done. Ask whoever runs this server for one, then sign in again"
                ),
            ));
        };
        Ok(Person {
            issuer: self.issuer.clone(),
            subject: subject.to_owned(),
            name: name.to_owned(),
            group: group.clone(),
        })
    }
}

fn unusable(claim: &str, why: &str) -> Failure {
    let detail = format!(
        "the identity provider says who you are, but of the claim {claim:?} we can make nothing: {why}. Nobody was \
         signed in. Whoever runs this server can have the provider send it, or name another claim"
    );
    Failure::new(Kind::Provider, detail)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn admission() -> Admission {
        let roles = [
            ("lock-admins", Role::Administrator),
            ("lock-ops", Role::Operator),
            ("builds", Role::ReleaseEngineer),
        ];
        Admission {
            issuer: "https://id.example".into(),
            person_claim: "preferred_username".into(),
            role_claim: "groups".into(),
            roles: roles.map(|(group, role)| (group.to_owned(), role)).into(),
        }
    }

    fn admitted(groups: Value) -> Outcome<Option<Role>> {
        let claims = json!({ "sub": "4711", "preferred_username": "ana", "groups": groups });
        let person = admission().admit(&claims)?;
        Ok(admission().role(&person))
    }

    #[test]
    fn the_first_group_of_the_list_counts() {
        for (groups, role) in [
            (json!(["lock-ops"]), Role::Operator),
            (json!("builds"), Role::ReleaseEngineer),
            (json!(["builds", "lock-ops", "others"]), Role::Operator),
            (json!(["lock-ops", "lock-admins"]), Role::Administrator),
            (json!([7, null, "builds"]), Role::ReleaseEngineer),
        ] {
            assert_eq!(admitted(groups).unwrap(), Some(role));
        }
    }

    #[test]
    fn who_is_in_no_group_that_counts_is_not_let_in() {
        for groups in [
            json!([]),
            json!(["lock"]),
            json!(["Lock-Ops", "lock-ops ", "lock-ops\u{0}"]),
            json!("lock-ops,lock-admins"),
            json!({ "lock-ops": true }),
            json!([["lock-ops"]]),
            json!(null),
            json!(true),
        ] {
            let kind = admitted(groups.clone()).unwrap_err().kind;
            assert_eq!(kind, Kind::Forbidden, "{groups}");
        }
    }

    #[test]
    fn claims_that_are_missing_or_no_names_let_nobody_in() {
        let good = json!({ "sub": "4711", "preferred_username": "ana", "groups": "lock-ops" });
        admission().admit(&good).unwrap();
        for (claim, value) in [
            ("sub", json!(null)),
            ("sub", json!("")),
            ("sub", json!("two words")),
            ("sub", json!("x".repeat(256))),
            ("preferred_username", json!(["ana"])),
            ("preferred_username", json!(" ")),
            ("preferred_username", json!("ana\nclock")),
            ("preferred_username", json!("x".repeat(101))),
        ] {
            let mut claims = good.clone();
            claims[claim] = value.clone();
            let failure = admission().admit(&claims).unwrap_err();
            assert_eq!(failure.kind, Kind::Provider, "{claim}: {value}");
        }
        for claim in ["sub", "preferred_username", "groups"] {
            let mut claims = good.clone();
            claims.as_object_mut().unwrap().remove(claim);
            assert_eq!(admission().admit(&claims).unwrap_err().kind, Kind::Provider);
        }
    }

    #[test]
    fn what_a_group_is_worth_is_looked_up_anew() {
        let claims = json!({ "sub": "4711", "preferred_username": "ana", "groups": "lock-ops" });
        let person = admission().admit(&claims).unwrap();
        let mut later = admission();
        later.roles = vec![("lock-ops".to_owned(), Role::Viewer)];
        assert_eq!(later.role(&person), Some(Role::Viewer));
        later.roles.clear();
        assert_eq!(later.role(&person), None);
        let elsewhere = Admission {
            issuer: "https://other.example".into(),
            ..admission()
        };
        assert_eq!(
            elsewhere.role(&person),
            None,
            "another provider's groups are others"
        );
    }
}
