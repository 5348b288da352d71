//! The report of an experiment: one self-contained page, and the same as Markdown and CSV.

use std::fmt::Write;

use anyhow::{Context, Result, anyhow};
use maud::{DOCTYPE, Markup, PreEscaped, html};
use plotters::coord::ranged1d::{KeyPointHint, Ranged};
use plotters::prelude::*;

use super::entropy::{self, Divergence};
use super::{Outcome, paper};
use crate::tokenize::method::Method;

/// A table: a header and rows of cells.
struct Table {
    title: &'static str,
    explanation: &'static str,
    header: Vec<String>,
    rows: Vec<Vec<String>>,
}

/// The report in its three forms.
pub struct Report {
    pub html: String,
    pub markdown: String,
    /// One line an outcome.
    pub csv: String,
}

/// Where the report comes from, beside its figures.
pub struct Origin<'a> {
    pub title: &'a str,
    pub command: &'a str,
    /// M1's name, id and bits/byte of nothing but itself.
    pub m1: &'a str,
    pub version: &'a str,
    /// Windows of a sample of text, in order.
    pub windows: &'a [String],
}

/// Makes the report.
///
/// # Errors
/// A plot fails.
pub fn report(origin: &Origin<'_>, outcomes: &[Outcome]) -> Result<Report> {
    let tables = [ratios(outcomes), learned(outcomes), places(outcomes), stability(outcomes), divergence(outcomes)];
    let tables: Vec<&Table> = tables.iter().filter(|table| !table.rows.is_empty()).collect();
    let plots = [("Bits/byte against operations", cost_plot(outcomes)?), ("What M2 learned", learned_plot(outcomes)?)];
    Ok(Report {
        html: page(origin, outcomes, &tables, &plots).into_string(),
        markdown: markdown(origin, outcomes, &tables),
        csv: csv(outcomes),
    })
}

fn number(value: f64) -> String {
    format!("{value:.3}")
}

fn or_none(value: Option<f64>) -> String {
    value.map_or_else(|| "-".to_owned(), number)
}

fn ratios(outcomes: &[Outcome]) -> Table {
    let header = ["method", "bytes/token", "paper", "bits of text a bit", "uniform, bits/byte", "unigram", "gain"];
    let mut rows: Vec<Vec<String>> = Vec::new();
    for Outcome { method, figures, .. } in methods(outcomes) {
        let name = method.to_string();
        let bits_a_token = (method.vocabulary() as f64).log2();
        rows.push(vec![
            name,
            number(figures.token_ratio),
            or_none(paper::figures(method).map(|paper| paper.token_ratio)),
            number(figures.token_ratio * 8.0 / bits_a_token),
            number(figures.uniform_bits_per_byte),
            or_none(figures.unigram_bits_per_byte),
            or_none(figures.unigram_bits_per_byte.map(|unigram| figures.uniform_bits_per_byte - unigram)),
        ]);
    }
    Table {
        title: "Ratios and trivial models",
        explanation: "Text in a token, and what models spend that find all tokens equally likely or know no more than how frequent each is in the training tokens, \
                      counted once more than it occurs: with too few of them for 65,536 that is worse than nothing. Paper: Tables 3 and 12.",
        header: header.map(str::to_owned).to_vec(),
        rows,
    }
}

fn learned(outcomes: &[Outcome]) -> Table {
    let header =
        ["method", "M2", "bits/byte", "paper", "below uniform", "MFLOPs/byte", "with M1", "bytes a step", "steps"];
    let row = |Outcome { preset, method, figures, .. }: &Outcome| {
        let size = paper::PRESETS.iter().position(|name| name == preset);
        let theirs = size.and_then(|size| paper::figures(method)?.bits_per_byte[size]);
        vec![
            method.to_string(),
            preset.clone(),
            number(figures.bits_per_byte),
            or_none(theirs),
            number(figures.uniform_bits_per_byte - figures.bits_per_byte),
            number(figures.flops_per_byte / 1e6),
            number(figures.flops_per_byte_with_m1 / 1e6),
            number(figures.token_ratio),
            figures.steps.to_string(),
        ]
    };
    Table {
        title: "What M2 learns",
        explanation: "Bits/byte on held-out text: nats a token over ln 2 and bytes a token. Where nothing was learned they are those of the uniform model. \
                      Operations are two a weight outside the embedding, as the paper counts (Tables 15 to 17).",
        header: header.map(str::to_owned).to_vec(),
        rows: outcomes.iter().map(row).collect(),
    }
}

fn places(outcomes: &[Outcome]) -> Table {
    let with_places = outcomes.iter().filter(|outcome| !outcome.figures.bits_by_place.is_empty());
    let row = |Outcome { preset, method, figures, .. }: &Outcome| {
        let places: Vec<String> = figures.bits_by_place.iter().map(|bits| number(*bits)).collect();
        vec![method.to_string(), preset.clone(), places.join(", ")]
    };
    Table {
        title: "Bits of each token of a window",
        explanation: "How much of a token M2 does not know, by the token's place in its window: 8 or 16 where nothing was learned (the paper's section 6.2 has accuracies).",
        header: ["method", "M2", "bits, from the first token on"].map(str::to_owned).to_vec(),
        rows: with_places.map(row).collect(),
    }
}

/// The outcomes of the first preset: of what does not depend on M2.
fn methods(outcomes: &[Outcome]) -> impl Iterator<Item = &Outcome> {
    outcomes.iter().enumerate().filter_map(|(index, outcome)| {
        let before = &outcomes[..index];
        before.iter().all(|other| other.method != outcome.method).then_some(outcome)
    })
}

fn stability(outcomes: &[Outcome]) -> Table {
    let row = |outcome: &Outcome| {
        let decodes_alone = if outcome.method.is_transparent() { "yes" } else { "no" };
        outcome.stability.map(|edits| vec![outcome.method.to_string(), number(edits), decodes_alone.to_owned()])
    };
    Table {
        title: "Stability of text and tokens",
        explanation: "Frequent words of the held-out text, each put before the same sentence: the edits between the tokens of two such texts as a share of \
                      the longer one, the mean of all pairs. Near 1, a word changes every token that follows it. The last column: whether each token has one text. \
                      Paper: section 6.1.",
        header: ["method", "edits", "a token has one text"].map(str::to_owned).to_vec(),
        rows: methods(outcomes).filter_map(row).collect(),
    }
}

fn divergence(outcomes: &[Outcome]) -> Table {
    let names = |kind: &str| entropy::WIDTHS.map(|width| format!("{kind} of {width}"));
    let header = [vec!["method".to_owned()], names("n-grams").to_vec(), names("tokens").to_vec()].concat();
    let row = |outcome: &Outcome| {
        let Divergence { ngrams, tokens } = &outcome.divergence;
        let cells = ngrams.iter().chain(tokens);
        let cells = cells.map(|bits| bits.map_or_else(|| "-".to_owned(), |bits| format!("{bits:.5}")));
        std::iter::once(outcome.method.to_string()).chain(cells).collect()
    };
    Table {
        title: "How far the training tokens are from random bits",
        explanation: "Kullback-Leibler divergence from uniform in bits, after Miller and Madow, where there are eight times as many as there are values: of neighbouring bits at every place, \
                      and of as many bits that begin at multiples of their number. Paper: section 6.3.",
        header,
        rows: methods(outcomes).map(row).collect(),
    }
}

/// Colours that are told apart on white and on black.
const COLOURS: [RGBColor; 8] = [
    RGBColor(66, 133, 244),
    RGBColor(234, 67, 53),
    RGBColor(52, 168, 83),
    RGBColor(251, 140, 0),
    RGBColor(156, 39, 176),
    RGBColor(0, 172, 193),
    RGBColor(141, 110, 99),
    RGBColor(120, 144, 156),
];

fn colour(method: &Method) -> RGBColor {
    let index = match method {
        Method::Bytes => 7,
        Method::Gzip { .. } => 6,
        Method::StaticAc { .. } => 5,
        Method::Ac { .. } => 4,
        Method::EqualInfo { window_bits: 16, .. } => 0,
        Method::EqualInfo { window_bits: 24 | 32, .. } => 1,
        Method::EqualInfo { window_bits: 64, .. } => 2,
        _ => 3,
    };
    COLOURS[index]
}

/// A plot as SVG that takes the page's colour of text.
fn svg(
    draw: impl FnOnce(&DrawingArea<SVGBackend<'_>, plotters::coord::Shift>) -> Result<()>,
    height: u32,
) -> Result<String> {
    let mut text = String::new();
    {
        let area = SVGBackend::with_string(&mut text, (860, height)).into_drawing_area();
        draw(&area)?;
        area.present().map_err(|error| anyhow!("{error}"))?;
    }
    let text = text.replace("#000000", "currentColor");
    let start = text.find("<svg").context("no picture")?;
    Ok(text[start..].replacen("<svg ", "<svg class=\"plot\" role=\"img\" ", 1))
}

fn plot_error(error: impl std::fmt::Display) -> anyhow::Error {
    anyhow!("cannot draw: {error}")
}

fn bounds(values: impl Iterator<Item = f64>) -> (f64, f64) {
    values.fold((f64::INFINITY, 0.0), |(low, high): (f64, f64), value| (low.min(value), high.max(value)))
}

fn cost_plot(outcomes: &[Outcome]) -> Result<String> {
    let cost = |outcome: &Outcome| outcome.figures.flops_per_byte_with_m1 / 1e6;
    let (least, most) = bounds(outcomes.iter().map(cost));
    let (low, high) = bounds(outcomes.iter().map(|outcome| outcome.figures.bits_per_byte));
    svg(
        |area| {
            let mut chart = ChartBuilder::on(area)
                .margin(12)
                .x_label_area_size(44)
                .y_label_area_size(52)
                .build_cartesian_2d((0.8 * least..1.6 * most).log_scale(), (low - 0.2).max(0.0)..high + 0.2)
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
            for outcome in outcomes {
                let (method, point) = (&outcome.method, (cost(outcome), outcome.figures.bits_per_byte));
                let (colour, wide) = (colour(method), method.vocabulary() > 256);
                let style = if wide { colour.filled() } else { colour.stroke_width(2) };
                chart.draw_series([Circle::new(point, 5, style)]).map_err(plot_error)?;
                let name = method.to_string().replace("EqualInfoAC", "");
                let name = Text::new(name, (8, -5), ("sans-serif", 11).into_font());
                chart.draw_series([EmptyElement::at(point) + name]).map_err(plot_error)?;
            }
            Ok(())
        },
        460,
    )
}

fn learned_plot(outcomes: &[Outcome]) -> Result<String> {
    let (_, high) = bounds(outcomes.iter().map(|outcome| outcome.figures.uniform_bits_per_byte));
    let height = 70 + 24 * outcomes.len() as u32;
    svg(
        |area| {
            let mut chart = ChartBuilder::on(area)
                .margin(12)
                .x_label_area_size(44)
                .y_label_area_size(270)
                .build_cartesian_2d(0.0..high * 1.05, Lines(outcomes.len()))
                .map_err(plot_error)?;
            let name = |line: &usize| {
                let Some(outcome) = outcomes.get(*line) else { return String::new() };
                format!("{}, {}", outcome.method, outcome.preset)
            };
            chart
                .configure_mesh()
                .disable_y_mesh()
                .light_line_style(TRANSPARENT)
                .bold_line_style(BLACK.mix(0.15))
                .y_labels(outcomes.len())
                .y_label_formatter(&name)
                .x_desc("bits/byte of M2, over those of a uniform model (pale)")
                .label_style(("sans-serif", 12))
                .draw()
                .map_err(plot_error)?;
            for (line, outcome) in outcomes.iter().enumerate() {
                let colour = colour(&outcome.method);
                let bar = |value: f64, style: ShapeStyle| PathElement::new([(0.0, line), (value, line)], style);
                let figures = &outcome.figures;
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

const STYLE: &str = "
:root { color-scheme: light dark; --ground: #ffffff; --text: #1c1e21; --faint: #6b7280; --line: #e5e7eb; --even: #f7f8fa; }
@media (prefers-color-scheme: dark) { :root { --ground: #14161a; --text: #e6e8eb; --faint: #9aa3af; --line: #2b3038; --even: #1b1e24; } }
body { background: var(--ground); color: var(--text); font: 16px/1.55 system-ui, sans-serif; margin: 0 auto; max-width: 62rem; padding: 2.5rem 1.25rem 4rem; }
h1 { font-size: 1.9rem; margin: 0 0 .25rem; } h2 { font-size: 1.25rem; margin: 2.75rem 0 .5rem; }
p { max-width: 46rem; } .faint { color: var(--faint); font-size: .9rem; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-size: .88rem; font-variant-numeric: tabular-nums; width: 100%; }
th { border-bottom: 2px solid var(--line); cursor: pointer; text-align: right; padding: .4rem .6rem; user-select: none; white-space: nowrap; }
td { border-bottom: 1px solid var(--line); padding: .35rem .6rem; text-align: right; white-space: nowrap; }
th:first-child, td:first-child, .left { text-align: left; } tbody tr:nth-child(even) { background: var(--even); }
.plot { color: var(--text); display: block; height: auto; max-width: 100%; }
.windows { font: 15px/1.9 ui-monospace, monospace; white-space: pre-wrap; } .windows span { border-radius: 4px; padding: .12rem 0; }
.a { background: #4285f433; } .b { background: #fb8c0033; } .c { background: #34a85333; }
details { margin: .4rem 0; } code { font: .82rem/1.5 ui-monospace, monospace; overflow-wrap: anywhere; } summary { cursor: pointer; }
";

const SORT: &str = "
document.querySelectorAll('th').forEach(head => head.addEventListener('click', () => {
  const body = head.closest('table').tBodies[0], column = head.cellIndex, down = head.dataset.down !== '1';
  head.dataset.down = down ? '1' : '0';
  const value = row => { const text = row.cells[column].textContent, n = parseFloat(text); return isNaN(n) ? text : n; };
  [...body.rows].sort((x, y) => { const a = value(x), b = value(y); return (a < b ? -1 : a > b ? 1 : 0) * (down ? 1 : -1); }).forEach(row => body.append(row));
}));
";

fn page(origin: &Origin<'_>, outcomes: &[Outcome], tables: &[&Table], plots: &[(&str, String)]) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (origin.title) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                h1 { (origin.title) }
                p.faint { "EqualInfo " (origin.version) ", M1 " (origin.m1) ". " code { (origin.command) } }
                @for (title, plot) in plots {
                    h2 { (title) }
                    div.wide { (PreEscaped(plot)) }
                }
                @for table in tables {
                    h2 { (table.title) }
                    p { (table.explanation) }
                    div.wide { table {
                        thead { tr { @for cell in &table.header { th { (cell) } } } }
                        tbody { @for row in &table.rows { tr { @for cell in row { td { (cell) } } } } }
                    } }
                }
                @if !origin.windows.is_empty() {
                    h2 { "Windows of 16 bits" }
                    p { "How the beginning of the held-out text falls into windows, each a token of 65,536 (the paper's Figure 2)." }
                    div.windows { @for (index, window) in origin.windows.iter().enumerate() {
                        span class=(["a", "b", "c"][index % 3]) { (window) }
                    } }
                }
                h2 { "Where the figures come from" }
                @for outcome in outcomes {
                    details {
                        summary { (outcome.method) ", " (outcome.preset) }
                        @for command in &outcome.commands { div { code { (command) } } }
                        div.faint { "seed " (outcome.seed) ", SHA-256 of the tokens: training " (outcome.sha256[0]) ", held out " (outcome.sha256[1]) }
                    }
                }
                script { (PreEscaped(SORT)) }
            }
        }
    }
}

fn markdown(origin: &Origin<'_>, outcomes: &[Outcome], tables: &[&Table]) -> String {
    let mut text =
        format!("# {}\n\nEqualInfo {}, M1 {}. `{}`\n", origin.title, origin.version, origin.m1, origin.command);
    for table in tables {
        let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
        let rule = line(&vec!["---".to_owned(); table.header.len()]);
        // Writing to a String cannot fail.
        let _ = write!(text, "\n## {}\n\n{}\n\n{}{rule}", table.title, table.explanation, line(&table.header));
        table.rows.iter().for_each(|row| text.push_str(&line(row)));
    }
    text.push_str("\n## Where the figures come from\n");
    for outcome in outcomes {
        let commands = outcome.commands.join("\n");
        let [train, test] = &outcome.sha256;
        let _ = write!(
            text,
            "\n{}, {}: seed {}, SHA-256 of the tokens {train} and {test}\n\n```sh\n{commands}\n```\n",
            outcome.method, outcome.preset, outcome.seed
        );
    }
    text
}

fn csv(outcomes: &[Outcome]) -> String {
    let mut text = "method,preset,vocabulary,token_ratio,uniform_bits_per_byte,unigram_bits_per_byte,bits_per_byte,flops_per_byte,flops_per_byte_with_m1,parameters,steps,tokens_measured,seed,train_sha256,test_sha256\n".to_owned();
    for Outcome { preset, method, figures, seed, sha256: [train, test], .. } in outcomes {
        // A method's name has commas; there are no quotes in it.
        let _ = writeln!(
            text,
            "\"{method}\",{preset},{},{},{},{},{},{},{},{},{},{},{seed},{train},{test}",
            method.vocabulary(),
            figures.token_ratio,
            figures.uniform_bits_per_byte,
            figures.unigram_bits_per_byte.map_or_else(String::new, |bits| bits.to_string()),
            figures.bits_per_byte,
            figures.flops_per_byte,
            figures.flops_per_byte_with_m1,
            figures.parameters,
            figures.steps,
            figures.tokens,
        );
    }
    text
}
