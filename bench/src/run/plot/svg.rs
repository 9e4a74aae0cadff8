//! Shapes and text, written by hand: a page of pictures needs no library.
//!
//! Colours are classes, so that one style sheet serves light and dark. The picture brings its own background, because a
//! page may be dark when the system is not.

use std::fmt::Write as _;

/// Colours told apart, also by those who see few.
pub(super) const SERIES: usize = 12;

const STYLE: &str = "\
text{font:12px system-ui,sans-serif;fill:#1f2328}\
.t{font-weight:600;font-size:13px}.s{fill:#59636e}.e{text-anchor:end}.m{text-anchor:middle}\
.b{fill:#fff}.g{stroke:#d1d9e0}.w{stroke:#1f2328}.r{stroke:#cf222e;stroke-dasharray:4 3}\
.c0{fill:#0072b2;stroke:#0072b2}.c1{fill:#e69f00;stroke:#e69f00}.c2{fill:#009e73;stroke:#009e73}\
.c3{fill:#cc79a7;stroke:#cc79a7}.c4{fill:#56b4e9;stroke:#56b4e9}.c5{fill:#d55e00;stroke:#d55e00}\
.c6{fill:#8c8c00;stroke:#8c8c00}.c7{fill:#7f7f7f;stroke:#7f7f7f}.c8{fill:#8250df;stroke:#8250df}\
.c9{fill:#a0522d;stroke:#a0522d}.c10{fill:#2aa198;stroke:#2aa198}.c11{fill:#b58900;stroke:#b58900}\
rect{stroke:none}polyline{fill:none!important;stroke-width:2}\
@media(prefers-color-scheme:dark){text{fill:#e6edf3}.s{fill:#9198a1}.b{fill:#0d1117}.g{stroke:#3d444d}.w{stroke:#e6edf3}\
.r{stroke:#ff7b72}}";

/// Between the border and what is left of all.
const MARGIN: f64 = 12.0;
/// Height of a row of a legend.
const LEGEND_ROW: f64 = 16.0;

/// A picture under way.
pub(super) struct Svg {
    body: String,
    width: f64,
    height: f64,
}

impl Svg {
    /// With a background and a title.
    pub(super) fn new(width: f64, height: f64, title: &str) -> Self {
        let mut svg = Self { body: String::new(), width, height };
        svg.rect("b", (0.0, 0.0), (width, height));
        svg.text("t", (MARGIN, 22.0), title);
        svg
    }

    pub(super) fn rect(&mut self, class: &str, (x, y): (f64, f64), (width, height): (f64, f64)) {
        // Writing to a string cannot fail, here and below.
        let _ = write!(
            self.body,
            r#"<rect class="{class}" x="{x:.1}" y="{y:.1}" width="{width:.1}" height="{height:.1}"/>"#
        );
    }

    pub(super) fn line(&mut self, class: &str, (x, y): (f64, f64), (to_x, to_y): (f64, f64)) {
        let _ = write!(
            self.body,
            r#"<line class="{class}" x1="{x:.1}" y1="{y:.1}" x2="{to_x:.1}" y2="{to_y:.1}"/>"#
        );
    }

    pub(super) fn polyline(&mut self, class: &str, points: &[(f64, f64)]) {
        let points: Vec<_> = points.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
        let _ = write!(self.body, r#"<polyline class="{class}" points="{}"/>"#, points.join(" "));
    }

    pub(super) fn dot(&mut self, class: &str, (x, y): (f64, f64)) {
        let _ = write!(self.body, r#"<circle class="{class}" cx="{x:.1}" cy="{y:.1}" r="3"/>"#);
    }

    pub(super) fn text(&mut self, class: &str, (x, y): (f64, f64), words: &str) {
        let _ = write!(self.body, r#"<text class="{class}" x="{x:.1}" y="{y:.1}">{}</text>"#, escaped(words));
    }

    /// Names of series, each behind its colour, from this line on.
    pub(super) fn legend(&mut self, top: f64, names: &[String]) {
        for (index, (name, (x, row))) in names.iter().zip(places(names, self.width)).enumerate() {
            let y = top + row as f64 * LEGEND_ROW;
            self.rect(&color(index), (x, y - 9.0), (10.0, 10.0));
            self.text("s", (x + 14.0, y), name);
        }
    }

    pub(super) fn finish(self) -> String {
        let Self { body, width, height } = self;
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width:.0} {height:.0}\" width=\"{width:.0}\" \
             height=\"{height:.0}\"><style>{STYLE}</style>{body}</svg>\n"
        )
    }
}

/// The class of a series.
pub(super) fn color(series: usize) -> String {
    format!("c{}", series % SERIES)
}

/// How high a legend is.
pub(super) fn legend_height(names: &[String], width: f64) -> f64 {
    places(names, width).last().map_or(0.0, |(_, row)| (row + 1) as f64 * LEGEND_ROW)
}

/// Where each name of a legend begins, and in which row.
fn places(names: &[String], width: f64) -> Vec<(f64, usize)> {
    let (mut x, mut row) = (MARGIN, 0);
    let mut places = Vec::with_capacity(names.len());
    for name in names {
        let wide = 14.0 + text_width(name) + 18.0;
        if x + wide > width && x > MARGIN {
            (x, row) = (MARGIN, row + 1);
        }
        places.push((x, row));
        x += wide;
    }
    places
}

/// About as wide as the words are in pixels.
pub(super) fn text_width(words: &str) -> f64 {
    words.chars().count() as f64 * 6.6
}

/// Round steps for an axis from 0 to at least `most`, about five of them.
pub(super) fn steps(most: f64) -> Vec<f64> {
    let rough = most.max(f64::MIN_POSITIVE) / 5.0;
    let power = 10_f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0].into_iter().map(|by| by * power).find(|step| *step >= rough * 0.999);
    let step = step.unwrap_or(rough);
    let mut steps = vec![0.0];
    while steps.last().is_some_and(|last| *last < most * 0.999) {
        steps.push(step * steps.len() as f64);
    }
    steps
}

/// A step as short as it can be told from the next.
pub(super) fn step_label(step: f64, steps: &[f64]) -> String {
    let between = steps.get(1).copied().unwrap_or(1.0);
    let decimals = if between >= 1.0 { 0 } else { 1 + usize::from(between < 0.1) };
    format!("{step:.decimals$}")
}

fn escaped(words: &str) -> String {
    words.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_round_and_reach_far_enough() {
        assert_eq!(steps(9.3), [0.0, 2.0, 4.0, 6.0, 8.0, 10.0]);
        let labels =
            |most| steps(most).iter().map(|step| step_label(*step, &steps(most))).collect::<Vec<_>>();
        assert_eq!(labels(1.0), ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]);
        assert_eq!(labels(100.0), ["0", "20", "40", "60", "80", "100"]);
        assert!(steps(0.0).len() < 10);
    }

    #[test]
    fn a_legend_that_is_too_wide_goes_on_below() {
        let names = vec!["x".repeat(20); 5];
        let places = places(&names, 400.0);
        assert_eq!(places.iter().map(|(_, row)| *row).collect::<Vec<_>>(), [0, 0, 1, 1, 2]);
        assert!((legend_height(&names, 400.0) - 48.0).abs() < 1e-9);
    }

    #[test]
    fn words_cannot_become_markup() {
        let mut svg = Svg::new(10.0, 10.0, "a < b & c");
        svg.text("s", (0.0, 0.0), "</text>");
        let svg = svg.finish();
        assert!(svg.contains("a &lt; b &amp; c") && svg.contains("&lt;/text&gt;"));
        assert_eq!(svg.matches("<text").count(), svg.matches("</text>").count());
    }
}
