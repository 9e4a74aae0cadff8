//! Lines over a logarithmic axis, each point with its range.

use super::super::spread::Spread;
use super::svg::{Svg, color, step_label, steps, text_width};

const WIDTH: f64 = 900.0;
const HEIGHT: f64 = 340.0;
const LEFT: f64 = 60.0;
const RIGHT: f64 = 160.0;
const TOP: f64 = 58.0;
const BOTTOM: f64 = 36.0;
/// As with bars: a wider range is cut off.
const RANGE_MOST: f64 = 1.5;

pub(super) struct Lines {
    pub(super) title: String,
    pub(super) lines: Vec<Line>,
}

pub(super) struct Line {
    pub(super) label: String,
    /// In the order of the axis; positive.
    pub(super) points: Vec<(f64, Spread)>,
}

impl Lines {
    /// None of nothing.
    pub(super) fn draw(&self) -> Option<String> {
        let all = || self.lines.iter().flat_map(|line| &line.points);
        let least = all().map(|(at, _)| *at).fold(f64::INFINITY, f64::min);
        let most = all().map(|(at, _)| *at).fold(0.0, f64::max);
        let highest = all().map(|(_, spread)| spread.median).fold(0.0, f64::max);
        all().next()?;
        let reach = all().map(|(_, spread)| spread.max).fold(highest, f64::max).min(highest * RANGE_MOST);
        let steps = steps(reach.max(f64::MIN_POSITIVE));
        let top = steps.last().copied().unwrap_or(1.0);
        let decades = (most / least).log10();
        let x = |at: f64| {
            let share = if decades > 0.0 { (at / least).log10() / decades } else { 0.5 };
            LEFT + 30.0 + share * (WIDTH - LEFT - RIGHT - 30.0)
        };
        let y = |value: f64| HEIGHT - BOTTOM - value.clamp(0.0, top) / top * (HEIGHT - TOP - BOTTOM);
        let mut svg = Svg::new(WIDTH, HEIGHT, &self.title);
        svg.legend(42.0, &self.lines.iter().map(|line| line.label.clone()).collect::<Vec<_>>());
        for step in &steps {
            svg.line("g", (LEFT, y(*step)), (WIDTH - RIGHT, y(*step)));
            svg.text("s e", (LEFT - 8.0, y(*step) + 4.0), &step_label(*step, &steps));
        }
        let mut ats: Vec<f64> = all().map(|(at, _)| *at).collect();
        ats.sort_by(f64::total_cmp);
        ats.dedup();
        for at in ats {
            svg.text("s m", (x(at), HEIGHT - BOTTOM + 18.0), &format!("{at:.0}"));
        }
        for (index, line) in self.lines.iter().enumerate() {
            let class = color(index);
            let points: Vec<_> = line.points.iter().map(|(at, spread)| (x(*at), y(spread.median))).collect();
            svg.polyline(&class, &points);
            for ((at, spread), point) in line.points.iter().zip(&points) {
                // Beside each other, as lines of few upstreams lie over each other.
                let beside = x(*at) + index as f64 * 3.0;
                svg.line(&class, (beside, y(spread.min)), (beside, y(spread.max)));
                svg.dot(&class, *point);
            }
            if let (Some((_, spread)), Some((at, height))) = (line.points.last(), points.last()) {
                let value = spread.show(1);
                let at = at.min(WIDTH - text_width(&value) - 8.0);
                svg.text("s", (at + 14.0, height - 6.0 - index as f64 * 12.0), &value);
            }
        }
        Some(svg.finish())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(points: &[(f64, f64)]) -> Line {
        let points = points.iter().map(|(at, value)| (*at, Spread::of([*value]).unwrap())).collect();
        Line { label: "l".to_owned(), points }
    }

    #[test]
    fn a_decade_is_as_wide_as_the_next() {
        let lines = vec![line(&[(10.0, 5.0), (100.0, 5.0), (1000.0, 5.0)])];
        let svg = Lines { title: "t".to_owned(), lines }.draw().unwrap();
        let (_, rest) = svg.split_once("points=\"").unwrap();
        let (points, _) = rest.split_once('"').unwrap();
        let x: Vec<f64> =
            points.split(' ').map(|point| point.split_once(',').unwrap().0.parse().unwrap()).collect();
        assert!(((x[1] - x[0]) - (x[2] - x[1])).abs() < 0.2, "{x:?}");
    }

    #[test]
    fn one_point_is_a_picture_and_none_is_not() {
        let svg = Lines { title: "t".to_owned(), lines: vec![line(&[(10.0, 5.0)])] }.draw().unwrap();
        assert!(!svg.contains("NaN"));
        assert!(Lines { title: "t".to_owned(), lines: vec![] }.draw().is_none());
    }
}
