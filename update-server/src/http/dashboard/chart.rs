//! Charts as SVG. Each is drawn from numbers that stand beside it as text, and says in words what it shows; no colour is
//! the only sign of anything.

use askama::Template;

use super::page::{grouped, percent};

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
