//! Charts as SVG. Each is drawn from numbers that stand beside it as text, and says in words what it shows; no colour is
//! the only sign of anything.

use askama::Template;

use super::page::{Moment, grouped, percent};
use crate::domain::story::Course;

/// Width of a drawing in its own units; the page stretches it.
const WIDTH: f64 = 1000.0;

/// The narrowest a part that is not empty is drawn: one lock among a million must be seen if it failed.
const LEAST: f64 = 4.0;

/// A part of a whole.
pub(super) struct Part {
    /// Its look, a class of the style sheet.
    pub(super) look: &'static str,
    pub(super) label: String,
    pub(super) count: i64,
}

/// Parts of a whole, side by side, with what each is below.
#[derive(Template)]
#[template(path = "dashboard/bar.html")]
pub(super) struct Bar {
    /// What is shown, in words.
    said: String,
    drawn: Vec<Drawn>,
    legend: Vec<Line>,
}

struct Drawn {
    look: &'static str,
    x: String,
    width: String,
}

struct Line {
    look: &'static str,
    label: String,
    count: String,
    share: String,
    empty: bool,
}

impl Bar {
    pub(super) fn new(of: &str, parts: Vec<Part>) -> Self {
        let whole = parts
            .iter()
            .fold(0_i64, |sum, part| sum.saturating_add(part.count.max(0)));
        let said: Vec<String> = parts
            .iter()
            .map(|part| format!("{} {}", grouped(part.count), part.label))
            .collect();
        Self {
            said: format!("{of}: {}", said.join(", ")),
            drawn: draw(&parts, whole),
            legend: parts.into_iter().map(|part| Line::new(part, whole)).collect(),
        }
    }
}

impl Line {
    fn new(part: Part, whole: i64) -> Self {
        Self {
            look: part.look,
            label: part.label,
            count: grouped(part.count),
            share: percent(part.count, whole),
            empty: part.count == 0,
        }
    }
}

fn draw(parts: &[Part], whole: i64) -> Vec<Drawn> {
    #[expect(clippy::cast_precision_loss, reason = "for the eye")]
    let share = |count: i64| count as f64 / whole.max(1) as f64;
    let filled = || parts.iter().filter(|part| part.count > 0);
    let widths: Vec<f64> = filled()
        .map(|part| (share(part.count) * WIDTH).max(LEAST))
        .collect();
    let sum: f64 = widths.iter().sum();
    let scale = if sum > WIDTH { WIDTH / sum } else { 1.0 };
    let mut x = 0.0;
    let place = |(part, width): (&Part, f64)| {
        let width = width * scale;
        let drawn = Drawn {
            look: part.look,
            x: format!("{x:.1}"),
            width: format!("{width:.1}"),
        };
        x += width;
        drawn
    };
    filled().zip(widths).map(place).collect()
}

/// How many had confirmed, and how many had failed, over time: two stepped lines.
#[derive(Template)]
#[template(path = "dashboard/course.html")]
pub(super) struct CourseChart {
    said: String,
    confirmed: String,
    area: String,
    failed: String,
    top: String,
    from: Moment,
    to: Moment,
    empty: bool,
}

/// Height of the course's drawing, and the line at its foot, in its own units.
const COURSE_HEIGHT: f64 = 200.0;

impl CourseChart {
    pub(super) fn new(course: &Course) -> Self {
        let (_, confirmed, failed) = course.points.last().copied().unwrap_or_default();
        let top = confirmed.max(failed).max(1);
        let line = |value: fn(&(i64, i64, i64)) -> i64| path(course, top, value);
        let confirmed_line = line(|point| point.1);
        Self {
            said: format!(
                "Since {}: {} confirmed, {} refused or reverted by {}; half of those that confirmed had by {}",
                Moment(course.from),
                grouped(confirmed),
                grouped(failed),
                Moment(course.to),
                half_by(course, confirmed),
            ),
            area: format!("{confirmed_line} V {COURSE_HEIGHT} H 0 Z"),
            confirmed: confirmed_line,
            failed: line(|point| point.2),
            top: grouped(top),
            from: Moment(course.from),
            to: Moment(course.to),
            empty: confirmed == 0 && failed == 0,
        }
    }
}

/// When half of them had confirmed.
fn half_by(course: &Course, confirmed: i64) -> Moment {
    let half = course
        .points
        .iter()
        .find(|(_, by_then, _)| by_then.saturating_mul(2) >= confirmed);
    Moment(half.map_or(course.to, |(at, _, _)| *at))
}

/// A stepped line: a count stays as it was until the next point.
fn path(course: &Course, top: i64, value: fn(&(i64, i64, i64)) -> i64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "for the eye")]
    let part = |part: i64, whole: i64| part as f64 / whole.max(1) as f64;
    let span = course.to.saturating_sub(course.from);
    let mut drawn = String::new();
    for point in &course.points {
        let x = part(point.0.saturating_sub(course.from), span) * WIDTH;
        // A little below the edge, so that the line's width stays within.
        let y = COURSE_HEIGHT - part(value(point), top) * (COURSE_HEIGHT - 4.0) - 1.0;
        if drawn.is_empty() {
            drawn = format!("M {x:.1} {y:.1}");
        } else {
            drawn.push_str(&format!(" H {x:.1} V {y:.1}"));
        }
    }
    drawn
}

/// Looks for the versions of a model, newest first; older ones share the last.
pub(super) fn version_look(index: usize) -> &'static str {
    const LOOKS: [&str; 6] = ["v0", "v1", "v2", "v3", "v4", "v5"];
    LOOKS.get(index).copied().unwrap_or("v5")
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::arithmetic_side_effects,
        reason = "small numbers that the test itself chose"
    )]

    use super::*;

    fn part(count: i64) -> Part {
        Part {
            look: "good",
            label: format!("<{count}>"),
            count,
        }
    }

    #[test]
    fn one_among_a_million_is_drawn_and_nothing_sticks_out() {
        let parts = [part(1_000_000), part(0), part(1), part(1)];
        let drawn = draw(&parts, 1_000_002);
        assert_eq!(drawn.len(), 3, "what is empty is not drawn");
        let end = |drawn: &Drawn| drawn.x.parse::<f64>().unwrap() + drawn.width.parse::<f64>().unwrap();
        assert!(
            drawn
                .iter()
                .all(|drawn| drawn.width.parse::<f64>().unwrap() > 3.5)
        );
        assert!(drawn.iter().all(|drawn| end(drawn) < WIDTH + 0.2));
        assert!(draw(&[part(0)], 0).is_empty());
    }

    #[test]
    fn a_course_is_stepped_and_stays_within() {
        let course = Course {
            from: 0,
            to: 100,
            points: vec![(0, 0, 0), (50, 3, 1), (100, 4, 1)],
        };
        let chart = CourseChart::new(&course);
        assert_eq!(chart.confirmed, "M 0.0 199.0 H 500.0 V 52.0 H 1000.0 V 3.0");
        assert_eq!(chart.failed, "M 0.0 199.0 H 500.0 V 150.0 H 1000.0 V 150.0");
        assert!(
            chart.said.contains("4 confirmed, 1 refused or reverted"),
            "{}",
            chart.said
        );
        assert!(!chart.empty);
        assert!(CourseChart::new(&Course::default()).empty);
    }

    #[test]
    fn a_bar_says_what_it_shows_and_escapes_it() {
        let text = Bar::new("Locks", vec![part(3), part(1)]).render().unwrap();
        assert!(
            text.contains("aria-label=\"Locks: 3 &#60;3&#62;, 1 &#60;1&#62;\""),
            "{text}"
        );
        assert!(!text.contains("<3>"), "{text}");
        assert!(text.contains("75 %"), "{text}");
    }
}
