//! Horizontal bars in groups, with their range as a whisker and their value beside them.

use super::super::spread::Spread;
use super::svg::{Svg, color, legend_height, step_label, steps, text_width};

/// Of the picture.
const WIDTH: f64 = 960.0;
/// Title and space above the bars, legend not counted.
const TOP: f64 = 42.0;
const BOTTOM: f64 = 28.0;
const BAR: f64 = 12.0;
const BETWEEN_BARS: f64 = 3.0;
const BETWEEN_GROUPS: f64 = 10.0;
/// For values to the right of the bars.
const VALUES: f64 = 150.0;
/// A range that is wider than so many times the longest bar is cut off, else nothing but it would be seen.
const RANGE_MOST: f64 = 1.5;

pub(super) struct Bars {
    pub(super) title: String,
    pub(super) series: Vec<String>,
    pub(super) groups: Vec<Group>,
    /// A bound that all groups have.
    pub(super) line: Option<f64>,
    /// Where the axis ends at the latest: longer bars are cut off, and only their value tells.
    pub(super) most: Option<f64>,
}

pub(super) struct Group {
    pub(super) label: String,
    pub(super) bars: Vec<Bar>,
    /// A bound of its own.
    pub(super) mark: Option<f64>,
}

pub(super) struct Bar {
    /// Index of its name.
    pub(super) series: usize,
    pub(super) spread: Spread,
    /// As text.
    pub(super) value: String,
}

impl Bars {
    /// None of nothing.
    pub(super) fn draw(&self) -> Option<String> {
        let all = || self.groups.iter().flat_map(|group| &group.bars).map(|bar| bar.spread);
        let longest = all().map(|spread| spread.median).fold(self.line.unwrap_or(0.0), f64::max);
        all().next()?;
        let most = all()
            .map(|spread| spread.max)
            .fold(longest, f64::max)
            .min(longest * RANGE_MOST)
            .min(self.most.unwrap_or(f64::INFINITY));
        let steps = steps(most.max(f64::MIN_POSITIVE));
        let end = steps.last().copied().unwrap_or(1.0);
        let left = self.groups.iter().map(|group| text_width(&group.label)).fold(0.0, f64::max) + 24.0;
        let x = |value: f64| left + value.clamp(0.0, end) / end * (WIDTH - left - VALUES);
        let height = |group: &Group| group.bars.len() as f64 * (BAR + BETWEEN_BARS) + BETWEEN_GROUPS;
        let names: &[String] = if self.series.len() > 1 { &self.series } else { &[] };
        let top = TOP + legend_height(names, WIDTH);
        let foot = top + self.groups.iter().map(height).sum::<f64>();
        let mut svg = Svg::new(WIDTH, foot + BOTTOM, &self.title);
        svg.legend(TOP, names);
        for step in &steps {
            svg.line("g", (x(*step), top - 6.0), (x(*step), foot));
            svg.text("s m", (x(*step), foot + 16.0), &step_label(*step, &steps));
        }
        let mut y = top;
        for group in &self.groups {
            draw(&mut svg, group, y, x);
            y += height(group);
        }
        if let Some(line) = self.line {
            svg.line("r", (x(line), top - 6.0), (x(line), foot));
        }
        Some(svg.finish())
    }
}

fn draw(svg: &mut Svg, group: &Group, top: f64, x: impl Fn(f64) -> f64) {
    let height = group.bars.len() as f64 * (BAR + BETWEEN_BARS);
    svg.text("e", (x(0.0) - 8.0, top + height / 2.0 + 3.0), &group.label);
    for (index, bar) in group.bars.iter().enumerate() {
        let y = top + index as f64 * (BAR + BETWEEN_BARS);
        let Spread { median, min, max } = bar.spread;
        svg.rect(&color(bar.series), (x(0.0), y), (x(median) - x(0.0), BAR));
        let middle = y + BAR / 2.0;
        svg.line("w", (x(min), middle), (x(max), middle));
        for end in [min, max] {
            svg.line("w", (x(end), middle - 3.0), (x(end), middle + 3.0));
        }
        svg.text("s", (x(median.max(max)) + 6.0, middle + 4.0), &bar.value);
    }
    if let Some(mark) = group.mark {
        svg.line("w", (x(mark), top - 3.0), (x(mark), top + height));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bars(values: &[f64]) -> Bars {
        let bar = |values: &[f64]| Bar {
            series: 0,
            spread: Spread::of(values.iter().copied()).unwrap(),
            value: "v".to_owned(),
        };
        let groups = vec![Group { label: "g".to_owned(), bars: vec![bar(values)], mark: None }];
        Bars { title: "t".to_owned(), series: vec!["s".to_owned()], groups, line: None, most: None }
    }

    #[test]
    fn nothing_makes_no_picture() {
        let none = Bars {
            title: String::new(),
            series: Vec::new(),
            groups: Vec::new(),
            line: Some(1.0),
            most: None,
        };
        assert!(none.draw().is_none());
    }

    #[test]
    fn one_wild_round_does_not_squeeze_the_others() {
        // The axis ends near one and a half times the median, wherever the outlier is.
        let wild = bars(&[10.0, 10.0, 1000.0]).draw().unwrap();
        assert!(wild.contains(">15<") && !wild.contains(">1000<"), "{wild}");
        assert!(!wild.contains("NaN") && !wild.contains("inf"));
    }

    #[test]
    fn a_bar_beyond_the_end_is_cut_off_and_keeps_its_value() {
        let svg = Bars { most: Some(5.0), ..bars(&[500.0]) }.draw().unwrap();
        assert!(svg.contains(">5<") && !svg.contains(">500<") && svg.contains(">v<"), "{svg}");
    }

    #[test]
    fn what_is_below_zero_has_a_value_and_no_bar() {
        let svg = bars(&[-5.0, -4.0, 10.0]).draw().unwrap();
        assert!(svg.contains(r#"width="0.0""#) && svg.contains(">v<"));
    }
}
