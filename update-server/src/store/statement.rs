//! Statements about several things at once.
//!
//! Each is spelled in a few lengths, so that a connection prepares each length once. Keeps: the text is this program's
//! own; whatever comes from elsewhere is a parameter.

use std::iter;
use std::ops::Range;
use std::sync::Arc;

use sqlx::any::AnyArguments;
use sqlx::query::Query;
use sqlx::{Any, AssertSqlSafe};

use crate::limits::STATEMENT_ROWS_MAX;

/// A statement with a list in it, by the length of the list.
#[derive(Debug)]
pub(super) struct Statement(Vec<(usize, Arc<str>)>);

impl Statement {
    /// A list of so many parameters each: `before $1, $2 after`, or `before ($1, $2), ($3, $4) after`.
    pub(super) fn listing(before: &str, parameters: usize, after: &str) -> Self {
        let lengths = iter::successors(Some(1_usize), |length| length.checked_mul(2));
        let lengths = lengths.take_while(|length| *length <= STATEMENT_ROWS_MAX);
        let text = |length: usize| {
            let starts = (1..).step_by(parameters.max(1)).take(length);
            let items = starts.map(|start: usize| item(start..start.saturating_add(parameters)));
            let list = items.collect::<Vec<String>>().join(", ");
            (length, format!("{before} {list} {after}").into())
        };
        Self(lengths.map(text).collect())
    }

    /// The statement about these: [`STATEMENT_ROWS_MAX`] at most. Where there are fewer than it has a place for, the
    /// last is named again.
    pub(super) fn about<'i, I>(
        &self,
        items: &'i [I],
        bind: impl Fn(Query<'static, Any, AnyArguments>, &'i I) -> Query<'static, Any, AnyArguments>,
    ) -> Query<'static, Any, AnyArguments> {
        let fits = self.0.iter().find(|(length, _)| *length >= items.len());
        let (length, text) = fits.or(self.0.last()).cloned().unwrap_or_default();
        let again = items.last().into_iter().cycle();
        let named = items.iter().chain(again).take(length);
        named.fold(sqlx::query(AssertSqlSafe(text)), bind)
    }
}

fn item(parameters: Range<usize>) -> String {
    let is_row = parameters.len() > 1;
    let names: Vec<String> = parameters.map(|number| format!("${number}")).collect();
    let names = names.join(", ");
    if is_row { format!("({names})") } else { names }
}

#[cfg(test)]
mod tests {
    use sqlx::Execute as _;

    use super::*;

    #[test]
    fn a_statement_has_parameters_for_all_that_it_is_about() {
        let names = Statement::listing("SELECT 1 WHERE id IN (", 1, ") ORDER BY 1");
        let rows = Statement::listing("VALUES", 2, "ON CONFLICT");
        let text = |statement: &Statement, count: i64| {
            let items: Vec<i64> = (0..count).collect();
            let query = statement.about(&items, |query, item| query.bind(*item));
            query.sql().as_str().to_owned()
        };
        assert_eq!(text(&names, 1), "SELECT 1 WHERE id IN ( $1 ) ORDER BY 1");
        assert_eq!(
            text(&names, 3),
            "SELECT 1 WHERE id IN ( $1, $2, $3, $4 ) ORDER BY 1"
        );
        assert_eq!(text(&rows, 2), "VALUES ($1, $2), ($3, $4) ON CONFLICT");
        let most = i64::try_from(STATEMENT_ROWS_MAX).unwrap();
        assert!(text(&names, most).contains(&format!("${most} )")));
    }
}
