//! The plots of a report, as SVG that takes the colours of the page.

use plotters::coord::Shift;
use plotters::coord::ranged1d::{KeyPointHint, Ranged};
use plotters::prelude::*;

use super::super::MethodResult;
use super::super::entropy::{Divergence, WIDEST};
use crate::{LabError, Result};
use equalinfo::tokens::TokenMethod;

/// Colours that are told apart on white and on black.
const COLOURS: [RGBColor; 9] = [
    RGBColor(66, 133, 244),
    RGBColor(234, 67, 53),
    RGBColor(52, 168, 83),
    RGBColor(251, 140, 0),
    RGBColor(156, 39, 176),
    RGBColor(0, 172, 193),
    RGBColor(141, 110, 99),
    RGBColor(120, 144, 156),
    RGBColor(216, 27, 96),
];

/// What a method is drawn in.
pub fn colour(method: &TokenMethod) -> RGBColor {
    let index = match method {
        TokenMethod::Bytes | TokenMethod::Unigram { .. } | TokenMethod::Bpe { .. } => 7,
        TokenMethod::Gzip { .. } => 6,
        TokenMethod::StaticAc { .. } => 5,
        TokenMethod::Ac { .. } => 4,
        TokenMethod::Lexicon { .. } => 8,
        TokenMethod::EqualInfo { window_bits: 16, .. } => 0,
        TokenMethod::EqualInfo { window_bits: 24 | 32, .. } => 1,
        TokenMethod::EqualInfo { window_bits: 64, .. } => 2,
        _ => 3,
    };
    COLOURS[index]
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

/// Bits/byte of M2 against operations: the paper's Figures 3 and 4. Sizes of M2 are joined by a line.
pub fn cost(results: &[&MethodResult]) -> Result<String> {
    let cost = |result: &MethodResult| result.figures.flops_per_byte_with_m1 / 1e6;
    let (least, most) = bounds(results.iter().map(|result| cost(result)));
    let (low, high) = bounds(results.iter().map(|result| result.figures.bits_per_byte));
    let methods: Vec<&TokenMethod> = super::methods(results).map(|result| &result.method).collect();
    svg(
        |area| {
            let mut chart = ChartBuilder::on(area)
                .margin(12)
                .margin_right(LABELS as u32 + 12)
                .x_label_area_size(44)
                .y_label_area_size(52)
                .build_cartesian_2d((0.8 * least..1.25 * most).log_scale(), (low - 0.2).max(0.0)..high + 0.2)
                .map_err(plot_error)?;
            chart
                .configure_mesh()
                .light_line_style(TRANSPARENT)
                .bold_line_style(BLACK.mix(0.15))
                .x_desc("million operations a byte, M1 included")
                .x_label_formatter(&|x| format!("{}", (x * 1000.0).round() / 1000.0))
                .y_desc("bits/byte")
                .label_style(("sans-serif", 13))
                .draw()
                .map_err(plot_error)?;
            let mut names = Vec::new();
            for method in methods {
                let sizes = results.iter().filter(|result| result.method == *method);
                let points: Vec<(f64, f64)> =
                    sizes.map(|result| (cost(result), result.figures.bits_per_byte)).collect();
                let colour = colour(method);
                let style = if method.vocabulary() > 256 { colour.filled() } else { colour.stroke_width(2) };
                chart.draw_series([PathElement::new(points.clone(), colour.stroke_width(1))]).map_err(plot_error)?;
                chart.draw_series(points.iter().map(|&point| Circle::new(point, 5, style))).map_err(plot_error)?;
                if let Some(last) = points.last() {
                    names.push((method.to_string(), colour, chart.backend_coord(last)));
                }
            }
            labels(area, &names)
        },
        (LABEL as u32 * results.len() as u32 + 90).max(460),
    )
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
        (LABEL as u32 * rows.len() as u32 + 90).max(460),
    )?;
    Ok(Some(plot))
}

/// The colour of [`super::super::entropy::of_random_bits`].
pub const RANDOM: RGBColor = RGBColor(120, 120, 120);

/// Bits/byte of M2 over those of a uniform model.
pub fn learned(results: &[&MethodResult]) -> Result<String> {
    let (_, high) = bounds(results.iter().map(|result| result.figures.uniform_bits_per_byte));
    let height = 70 + 24 * results.len() as u32;
    svg(
        |area| {
            let mut chart = ChartBuilder::on(area)
                .margin(12)
                .x_label_area_size(44)
                .y_label_area_size(270)
                .build_cartesian_2d(0.0..high * 1.05, Lines(results.len()))
                .map_err(plot_error)?;
            let name = |line: &usize| {
                let Some(result) = results.get(*line) else { return String::new() };
                format!("{}, {}", result.method, result.preset)
            };
            chart
                .configure_mesh()
                .disable_y_mesh()
                .light_line_style(TRANSPARENT)
                .bold_line_style(BLACK.mix(0.15))
                .y_labels(results.len())
                .y_label_formatter(&name)
                .x_desc("bits/byte of M2, over those of a uniform model (pale)")
                .label_style(("sans-serif", 12))
                .draw()
                .map_err(plot_error)?;
            for (line, result) in results.iter().enumerate() {
                let colour = colour(&result.method);
                let bar = |value: f64, style: ShapeStyle| PathElement::new([(0.0, line), (value, line)], style);
                let figures = &result.figures;
                let uniform = bar(figures.uniform_bits_per_byte, colour.mix(0.3).stroke_width(14));
                let ours = bar(figures.bits_per_byte, colour.stroke_width(8));
                chart.draw_series([uniform, ours]).map_err(plot_error)?;
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
    use super::apart;

    #[test]
    fn labels_do_not_lie_on_each_other() {
        assert_eq!(apart(&[100, 20, 102, 101], 10, 0, 200), [100, 20, 120, 110]);
        assert_eq!(apart(&[95, 96, 97], 10, 0, 100), [80, 90, 100]);
    }
}
