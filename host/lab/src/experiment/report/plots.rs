//! The plots of a report, as SVG that takes the colours of the page.

use std::ops::Range;

use plotters::coord::Shift;
use plotters::coord::combinators::{BindKeyPoints, LogCoord, WithKeyPoints};
use plotters::coord::ranged1d::{KeyPointHint, Ranged};
use plotters::coord::types::RangedCoordf64;
use plotters::prelude::*;

use super::super::MethodResult;
use super::super::entropy::{Divergence, WIDEST};
use super::runs::Runs;
use crate::{LabError, Result};
use equalinfo::tokens::TokenMethod;

/// Colours that are told apart on white and on black.
const COLOURS: [RGBColor; 16] = [
    RGBColor(120, 144, 156),
    RGBColor(66, 133, 244),
    RGBColor(234, 67, 53),
    RGBColor(52, 168, 83),
    RGBColor(251, 140, 0),
    RGBColor(171, 71, 188),
    RGBColor(0, 172, 193),
    RGBColor(141, 110, 99),
    RGBColor(216, 27, 96),
    RGBColor(158, 157, 36),
    RGBColor(126, 87, 194),
    RGBColor(0, 137, 123),
    RGBColor(240, 98, 146),
    RGBColor(244, 180, 0),
    RGBColor(92, 107, 192),
    RGBColor(124, 179, 66),
];

/// The colours of an experiment's methods: each has its own, which it shares with the same method in tokens of another
/// width.
pub struct Palette(Vec<String>);

impl Palette {
    /// For these methods, in this order.
    pub fn new<'a>(methods: impl Iterator<Item = &'a TokenMethod>) -> Self {
        let mut families: Vec<String> = Vec::new();
        for family in methods.map(family) {
            if !families.contains(&family) {
                families.push(family);
            }
        }
        Self(families)
    }

    /// What a method is drawn in.
    pub fn colour(&self, method: &TokenMethod) -> RGBColor {
        let family = family(method);
        let index = self.0.iter().position(|known| *known == family).unwrap_or(0);
        COLOURS[index % COLOURS.len()]
    }
}

/// A method's name without the width of its tokens.
fn family(method: &TokenMethod) -> String {
    method.to_string().replace("v=256", "v").replace("v=65k", "v")
}

/// A plot as SVG that takes the page's colour of text.
fn svg(draw: impl FnOnce(&DrawingArea<SVGBackend<'_>, Shift>) -> Result<()>, height: u32) -> Result<String> {
    let mut text = String::new();
    {
        let area = SVGBackend::with_string(&mut text, (860, height)).into_drawing_area();
        draw(&area)?;
        area.present().map_err(plot_error)?;
    }
    let text = text.replace("#000000", "currentColor");
    let start = text.find("<svg").ok_or_else(|| plot_error("there is no picture"))?;
    Ok(text[start..].replacen("<svg ", "<svg class=\"plot\" role=\"img\" ", 1))
}

fn plot_error(error: impl std::fmt::Display) -> LabError {
    LabError::Plot(error.to_string())
}

fn bounds(values: impl Iterator<Item = f64>) -> (f64, f64) {
    values.fold((f64::INFINITY, 0.0), |(low, high): (f64, f64), value| (low.min(value), high.max(value)))
}

/// Width of the margin that labels stand in.
const LABELS: i32 = 230;
/// Height of a label.
const LABEL: i32 = 13;

/// Moves places apart, so that none is nearer than `gap` to the next, and all lie from `low` to `high` if there is room.
fn apart(places: &[i32], gap: i32, low: i32, high: i32) -> Vec<i32> {
    let mut order: Vec<usize> = (0..places.len()).collect();
    order.sort_by_key(|&index| places[index]);
    let mut moved = places.to_vec();
    let mut least = low;
    for &index in &order {
        moved[index] = moved[index].max(least);
        least = moved[index] + gap;
    }
    let mut most = high;
    for &index in order.iter().rev() {
        moved[index] = moved[index].min(most);
        most = moved[index] - gap;
    }
    moved
}

/// Names beside the places that they belong to, at the right of the plot and apart from each other.
fn labels(area: &DrawingArea<SVGBackend<'_>, Shift>, names: &[(String, RGBColor, (i32, i32))]) -> Result<()> {
    let (width, height) = area.dim_in_pixel();
    let left = width as i32 - LABELS;
    let places: Vec<i32> = names.iter().map(|(_, _, (_, y))| *y).collect();
    let places = apart(&places, LABEL, 12, height as i32 - 56);
    for ((name, colour, point), y) in names.iter().zip(places) {
        let line = PathElement::new([(point.0 + 6, point.1), (left - 22, point.1), (left - 4, y)], colour.mix(0.45));
        area.draw(&line).map_err(plot_error)?;
        area.draw(&Text::new(name.clone(), (left, y - 6), ("sans-serif", 11).into_font())).map_err(plot_error)?;
    }
    Ok(())
}

/// The height of a plot with so many [`labels`].
fn labelled_height(names: usize) -> u32 {
    (LABEL as u32 * names as u32 + 90).max(460)
}

/// A logarithmic axis with values to name, and bits/byte.
type BitsAxes = Cartesian2d<WithKeyPoints<LogCoord<f64>>, RangedCoordf64>;

/// Values to name on a logarithmic axis: powers of ten, or as many between them as make four.
fn ticks(range: &Range<f64>) -> Vec<f64> {
    let powers = range.start.log10().floor() as i32..=range.end.log10().ceil() as i32;
    let within = |digits: &[u8]| -> Vec<f64> {
        let values = powers.clone().flat_map(|power| digits.iter().map(move |&d| f64::from(d) * 10f64.powi(power)));
        values.filter(|value| range.contains(value)).collect()
    };
    let sets: [&[u8]; 3] = [&[1], &[1, 2, 5], &[1, 2, 3, 4, 5, 6, 7, 8, 9]];
    sets.into_iter().map(within).find(|values| values.len() >= 4).unwrap_or_else(|| within(sets[2]))
}

/// Axes of a plot of bits/byte: what each shows, and its range; that of x is logarithmic. `name` writes a value of x.
/// There is room for [`labels`].
fn bits_chart<'a>(
    area: &DrawingArea<SVGBackend<'a>, Shift>,
    (x_name, x): (&str, Range<f64>),
    name: &dyn Fn(&f64) -> String,
    (y_name, y): (&str, Range<f64>),
) -> Result<ChartContext<'a, SVGBackend<'a>, BitsAxes>> {
    let ticks = ticks(&x);
    let mut chart = ChartBuilder::on(area)
        .margin(12)
        .margin_right(LABELS as u32 + 12)
        .x_label_area_size(44)
        .y_label_area_size(52)
        .build_cartesian_2d(x.log_scale().with_key_points(ticks), y)
        .map_err(plot_error)?;
    chart
        .configure_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(BLACK.mix(0.15))
        .x_desc(x_name)
        .x_label_formatter(name)
        .y_desc(y_name)
        .label_style(("sans-serif", 13))
        .draw()
        .map_err(plot_error)?;
    Ok(chart)
}

/// Bits/byte of M2 against operations: the paper's Figures 3 and 4. Sizes of M2 are joined by a line; a vertical bar is
/// the deviation of several seeds.
pub fn cost(all: &[Runs<'_>], palette: &Palette) -> Result<String> {
    let cost = |runs: &Runs<'_>| runs.first().figures.flops_per_byte_with_m1 / 1e6;
    let bits = |runs: &Runs<'_>| runs.estimate(|result| result.figures.bits_per_byte);
    let (least, most) = bounds(all.iter().map(cost));
    let (low, high) = bounds(all.iter().map(|runs| bits(runs).mean));
    svg(
        |area| {
            let x = ("million operations a byte, M1 included", 0.8 * least..1.25 * most);
            let y = ("bits/byte", (low - 0.2).max(0.0)..high + 0.2);
            let mut chart = bits_chart(area, x, &|x| format!("{}", (x * 1000.0).round() / 1000.0), y)?;
            let mut names = Vec::new();
            for (index, runs) in all.iter().enumerate() {
                let method = &runs.first().method;
                if all[..index].iter().any(|other| other.first().method == *method) {
                    continue;
                }
                let sizes: Vec<&Runs<'_>> = all.iter().filter(|runs| runs.first().method == *method).collect();
                let points: Vec<(f64, f64)> = sizes.iter().map(|runs| (cost(runs), bits(runs).mean)).collect();
                let colour = palette.colour(method);
                let style = if method.vocabulary() > 256 { colour.filled() } else { colour.stroke_width(2) };
                chart.draw_series([PathElement::new(points.clone(), colour.stroke_width(1))]).map_err(plot_error)?;
                let deviations = sizes.iter().map(|runs| {
                    let (x, (below, above)) = (cost(runs), bits(runs).range());
                    PathElement::new([(x, below), (x, above)], colour.stroke_width(2))
                });
                chart.draw_series(deviations).map_err(plot_error)?;
                chart.draw_series(points.iter().map(|&point| Circle::new(point, 5, style))).map_err(plot_error)?;
                if let Some(last) = points.last() {
                    names.push((method.to_string(), colour, chart.backend_coord(last)));
                }
            }
            labels(area, &names)
        },
        labelled_height(all.len()),
    )
}

/// Bits/byte of held-out text against tokens trained on, a line for each run; `None` where no run has two points.
pub fn curves(all: &[Runs<'_>], palette: &Palette) -> Result<Option<String>> {
    let all: Vec<&Runs<'_>> = all.iter().filter(|runs| runs.first().curve.len() > 1).collect();
    let points = all.iter().flat_map(|runs| runs.all()).flat_map(|result| &result.curve);
    let (first, last) = bounds(points.clone().map(|&(tokens, _)| tokens as f64));
    let (low, high) = bounds(points.map(|&(_, bits)| bits));
    if all.is_empty() {
        return Ok(None);
    }
    let plot = svg(
        |area| {
            let x = ("million tokens trained on", 0.9 * first..1.1 * last);
            let y = ("bits/byte of the validation rows", (low - 0.1).max(0.0)..high + 0.1);
            let mut chart = bits_chart(area, x, &|x| format!("{}", (x / 1e4).round() / 100.0), y)?;
            let mut names = Vec::new();
            for runs in &all {
                let MethodResult { method, preset, .. } = runs.first();
                let colour = palette.colour(method);
                let width = if method.vocabulary() > 256 { 3 } else { 1 };
                for result in runs.all() {
                    let line = result.curve.iter().map(|&(tokens, bits)| (tokens as f64, bits)).collect::<Vec<_>>();
                    chart.draw_series([PathElement::new(line, colour.stroke_width(width))]).map_err(plot_error)?;
                }
                if let Some(&(tokens, bits)) = runs.first().curve.last() {
                    names.push((format!("{method}, {preset}"), colour, chart.backend_coord(&(tokens as f64, bits))));
                }
            }
            labels(area, &names)
        },
        labelled_height(all.len()),
    )?;
    Ok(Some(plot))
}

/// The least divergence that is drawn, in bits.
const FLOOR: f64 = 1e-6;

/// Divergence from random bits by width; `None` where nothing has any.
pub fn divergence<'a>(
    rows: &'a [(String, RGBColor, Divergence)],
    widths: impl Fn(&'a Divergence) -> &'a [Option<f64>],
) -> Result<Option<String>> {
    let points = |divergence: &'a Divergence| -> Vec<(f64, f64)> {
        let widths = (1..=WIDEST).zip(widths(divergence));
        widths.filter_map(|(width, bits)| Some((width as f64, bits.as_ref()?.max(FLOOR)))).collect()
    };
    let lines: Vec<Vec<(f64, f64)>> = rows.iter().map(|(_, _, divergence)| points(divergence)).collect();
    let (_, high) = bounds(lines.iter().flatten().map(|&(_, bits)| bits));
    if high <= 0.0 {
        return Ok(None);
    }
    let plot = svg(
        |area| {
            let mut chart = ChartBuilder::on(area)
                .margin(12)
                .margin_right(LABELS as u32 + 12)
                .x_label_area_size(44)
                .y_label_area_size(60)
                .build_cartesian_2d(0.5..WIDEST as f64 + 0.5, (0.7 * FLOOR..2.0 * high).log_scale())
                .map_err(plot_error)?;
            chart
                .configure_mesh()
                .light_line_style(TRANSPARENT)
                .bold_line_style(BLACK.mix(0.15))
                .x_labels(WIDEST)
                .x_label_formatter(&|x| format!("{x:.0}"))
                .x_desc("bits")
                .y_desc("divergence from uniform, bits")
                .y_label_formatter(&|y| format!("{y:.0e}"))
                .label_style(("sans-serif", 13))
                .draw()
                .map_err(plot_error)?;
            let mut names = Vec::new();
            for ((name, colour, _), points) in rows.iter().zip(lines) {
                if let Some(last) = points.last() {
                    names.push((name.clone(), *colour, chart.backend_coord(last)));
                }
                chart.draw_series([PathElement::new(points, colour.stroke_width(2))]).map_err(plot_error)?;
            }
            labels(area, &names)
        },
        labelled_height(rows.len()),
    )?;
    Ok(Some(plot))
}

/// The colour of [`super::super::entropy::of_random_bits`].
pub const RANDOM: RGBColor = RGBColor(120, 120, 120);

/// Bits/byte of M2 over those of a uniform model.
pub fn learned(all: &[Runs<'_>], palette: &Palette) -> Result<String> {
    let (_, high) = bounds(all.iter().map(|runs| runs.first().figures.uniform_bits_per_byte));
    let height = 70 + 24 * all.len() as u32;
    svg(
        |area| {
            let mut chart = ChartBuilder::on(area)
                .margin(12)
                .x_label_area_size(44)
                .y_label_area_size(270)
                .build_cartesian_2d(0.0..high * 1.05, Lines(all.len()))
                .map_err(plot_error)?;
            let name = |line: &usize| {
                let Some(runs) = all.get(*line) else { return String::new() };
                format!("{}, {}", runs.first().method, runs.first().preset)
            };
            chart
                .configure_mesh()
                .disable_y_mesh()
                .light_line_style(TRANSPARENT)
                .bold_line_style(BLACK.mix(0.15))
                .y_labels(all.len())
                .y_label_formatter(&name)
                .x_desc("bits/byte of M2, over those of a uniform model (pale)")
                .label_style(("sans-serif", 12))
                .draw()
                .map_err(plot_error)?;
            for (line, runs) in all.iter().enumerate() {
                let colour = palette.colour(&runs.first().method);
                let bar = |value: f64, style: ShapeStyle| PathElement::new([(0.0, line), (value, line)], style);
                let uniform = bar(runs.first().figures.uniform_bits_per_byte, colour.mix(0.3).stroke_width(14));
                let bits = runs.estimate(|result| result.figures.bits_per_byte);
                let (below, above) = bits.range();
                let deviation = PathElement::new([(below, line), (above, line)], BLACK.stroke_width(3));
                chart.draw_series([uniform, bar(bits.mean, colour.stroke_width(8)), deviation]).map_err(plot_error)?;
            }
            Ok(())
        },
        height,
    )
}

/// Places of lines of equal height, the first at the top.
struct Lines(usize);

impl Ranged for Lines {
    type FormatOption = plotters::coord::ranged1d::NoDefaultFormatting;
    type ValueType = usize;

    fn map(&self, value: &usize, limit: (i32, i32)) -> i32 {
        let height = f64::from(limit.0 - limit.1) / self.0.max(1) as f64;
        limit.1 + (height * (*value as f64 + 0.5)) as i32
    }

    fn key_points<H: KeyPointHint>(&self, _: H) -> Vec<usize> {
        (0..self.0).collect()
    }

    fn range(&self) -> std::ops::Range<usize> {
        0..self.0
    }
}

impl plotters::coord::ranged1d::ValueFormatter<usize> for Lines {}

#[cfg(test)]
mod tests {
    use super::{apart, ticks};

    #[test]
    fn a_logarithmic_axis_has_names() {
        assert_eq!(ticks(&(2.0..8.0)), [2.0, 3.0, 4.0, 5.0, 6.0, 7.0]);
        assert_eq!(ticks(&(1e6..2e7)), [1e6, 2e6, 5e6, 1e7]);
        assert_eq!(ticks(&(0.5..2e4)), [1.0, 10.0, 100.0, 1e3, 1e4]);
    }

    #[test]
    fn labels_do_not_lie_on_each_other() {
        assert_eq!(apart(&[100, 20, 102, 101], 10, 0, 200), [100, 20, 120, 110]);
        assert_eq!(apart(&[95, 96, 97], 10, 0, 100), [80, 90, 100]);
    }
}
