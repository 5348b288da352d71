//! The report of an experiment: one self-contained page, the same as Markdown and CSV, and each of its figures and
//! tables as a file for a paper.

use std::fmt::Write;
use std::path::{Path, PathBuf};

mod latex;
mod page;
mod plots;
mod runs;

use plotters::style::RGBColor;

use super::entropy::{self, Divergence};
use super::{MethodResult, paper};
use crate::Result;
use equalinfo::files::{FileError, write};
use equalinfo::tokens::TokenMethod;
use plots::Palette;
use runs::Runs;

/// A table: a header and rows of cells.
struct Table {
    /// Of its file.
    name: &'static str,
    title: &'static str,
    explanation: String,
    header: Vec<String>,
    rows: Vec<Vec<String>>,
}

/// A picture of a report.
struct Plot {
    /// Of its file.
    name: &'static str,
    title: &'static str,
    svg: String,
}

/// The report in its forms.
pub struct Report {
    /// A page that fetches nothing.
    pub html: String,
    /// The same without plots.
    pub markdown: String,
    /// A line per result.
    pub csv: String,
    /// For a paper: the names of files, pictures as SVG and tables as LaTeX, and what they hold.
    pub parts: Vec<(String, String)>,
}

/// Where the report comes from, beside its figures.
pub struct Origin<'a> {
    /// The plan's title.
    pub title: &'a str,
    /// What was typed.
    pub command: &'a str,
    /// M1's name and id.
    pub m1: &'a str,
    /// The version of this crate.
    pub version: &'a str,
    /// Windows of a sample of text, in order.
    pub windows: &'a [String],
}

impl Report {
    /// Writes `report.html`, `report.md`, `results.csv`, and `figures/*.svg` and `tables/*.tex` into a directory and
    /// returns the path of the page.
    ///
    /// # Errors
    /// A file cannot be written.
    pub fn write(&self, directory: &Path) -> Result<PathBuf, FileError> {
        let page = directory.join("report.html");
        write(&page, self.html.as_bytes())?;
        write(&directory.join("report.md"), self.markdown.as_bytes())?;
        write(&directory.join("results.csv"), self.csv.as_bytes())?;
        for (name, text) in &self.parts {
            write(&directory.join(name), text.as_bytes())?;
        }
        Ok(page)
    }
}

/// Makes the report.
///
/// # Errors
/// A plot cannot be drawn ([`LabError::Plot`](crate::LabError::Plot)).
pub fn report(origin: &Origin<'_>, results: &[MethodResult]) -> Result<Report> {
    let all: Vec<&MethodResult> = results.iter().collect();
    let palette = Palette::new(methods(&all).map(|result| &result.method));
    let random = random(&all, &palette);
    let (tasks, texts): (Vec<&MethodResult>, Vec<&MethodResult>) =
        all.iter().partition(|result| matches!(result.method, TokenMethod::Seq2seq { .. }));
    let runs = Runs::group(&texts);
    let tables = [
        ratios(&texts),
        learned(&runs),
        seq2seq(&Runs::group(&tasks)),
        places(&runs),
        stability(&texts),
        divergence(&random),
    ];
    let tables: Vec<&Table> = tables.iter().filter(|table| !table.rows.is_empty()).collect();
    let mut plots = Vec::new();
    let mut add = |name, title, svg: Option<String>| plots.extend(svg.map(|svg| Plot { name, title, svg }));
    if !texts.is_empty() {
        add("cost", "Bits/byte against operations", Some(plots::cost(&runs, &palette)?));
        add("learned", "What M2 learned", Some(plots::learned(&runs, &palette)?));
        add("curves", "How M2 learned it", plots::curves(&runs, &palette)?);
    }
    let (ngrams, tokens) =
        ("Neighbouring bits, at every place, and random ones", "Bits as tokens of their number, and random ones");
    add("divergence-ngrams", ngrams, plots::divergence(&random, |it| &it.ngrams)?);
    add("divergence-tokens", tokens, plots::divergence(&random, |it| &it.tokens)?);
    let figures = plots.iter().map(|plot| (format!("figures/{}.svg", plot.name), plot.svg.clone()));
    let latex = tables.iter().map(|table| (format!("tables/{}.tex", table.name), latex::table(table)));
    Ok(Report {
        html: page::page(origin, results, &tables, &plots).into_string(),
        markdown: markdown(origin, results, &tables),
        csv: csv(results),
        parts: figures.chain(latex).collect(),
    })
}

fn number(value: f64) -> String {
    format!("{value:.3}")
}

fn or_none(value: Option<f64>) -> String {
    value.map_or_else(|| "-".to_owned(), number)
}

fn ratios(results: &[&MethodResult]) -> Table {
    let header = ["method", "bytes/token", "paper", "bits of text a bit", "uniform, bits/byte", "unigram", "gain"];
    let mut rows: Vec<Vec<String>> = Vec::new();
    for MethodResult { method, figures, .. } in methods(results) {
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
        name: "ratios",
        title: "Ratios and trivial models",
        explanation: "Text in a token, and what models spend that find all tokens equally likely or know no more than how frequent each is in the training tokens, \
                      counted once more than it occurs: with too few of them for 65,536 that is worse than nothing. Paper: Tables 3 and 12."
            .to_owned(),
        header: header.map(str::to_owned).to_vec(),
        rows,
    }
}

fn learned(all: &[Runs<'_>]) -> Table {
    let header = [
        "method",
        "M2",
        "bits/byte",
        "paper",
        "below uniform",
        "accuracy",
        "MFLOPs/byte",
        "with M1",
        "with output",
        "bytes/token",
        "steps",
        "epochs",
    ];
    let row = |runs: &Runs<'_>| {
        let MethodResult { preset, method, figures, .. } = runs.first();
        vec![
            method.to_string(),
            preset.to_string(),
            runs.estimate(|result| result.figures.bits_per_byte).to_string(),
            or_none(paper::bits_per_byte(method, *preset, figures.trained_tokens)),
            number(figures.uniform_bits_per_byte - runs.estimate(|result| result.figures.bits_per_byte).mean),
            runs.estimate(|result| result.figures.accuracy).to_string(),
            number(figures.flops_per_byte / 1e6),
            number(figures.flops_per_byte_with_m1 / 1e6),
            number(figures.flops_per_byte_with_output / 1e6),
            number(figures.token_ratio),
            figures.steps.to_string(),
            figures.epochs.map_or_else(|| "-".to_owned(), |epochs| format!("{epochs:.2}")),
        ]
    };
    let mut explanation = "Bits/byte on held-out text: nats a token over ln 2 and bytes a token. Where nothing was learned they are those of the uniform model. \
                           Paper: where it trained that M2 on as many tokens (Tables 12, 13, 15). \
                           Accuracy is the share of tokens that M2 finds likelier than any other. Operations are two a weight outside the embedding, as the paper counts (Tables 15 to 17); \
                           with those of M1, which codes the text; and with those of M2's output too."
        .to_owned();
    let seeds = all.iter().map(|runs| runs.all().len()).max().unwrap_or(1);
    if seeds > 1 {
        // Writing to a String cannot fail.
        let _ = write!(explanation, " After ±: the standard deviation of up to {seeds} runs with other seeds.");
    }
    let repeats = all.iter().filter(|runs| runs.first().figures.epochs.is_some_and(|epochs| epochs > 1.0)).count();
    if repeats > 0 {
        let _ = write!(
            explanation,
            " {repeats} of {} saw their text more than once (epochs): they would be better with more.",
            all.len()
        );
    }
    Table {
        name: "learned",
        title: "What M2 learns",
        explanation,
        header: header.map(str::to_owned).to_vec(),
        rows: all.iter().map(row).collect(),
    }
}

fn places(all: &[Runs<'_>]) -> Table {
    let with_places = all.iter().map(Runs::first).filter(|result| !result.figures.bits_by_place.is_empty());
    let list = |values: &[f64]| values.iter().map(|value| number(*value)).collect::<Vec<String>>().join(", ");
    let row = |result: &MethodResult| {
        let MethodResult { preset, method, figures, .. } = result;
        vec![method.to_string(), preset.to_string(), list(&figures.accuracy_by_place), list(&figures.bits_by_place)]
    };
    Table {
        name: "places",
        title: "The tokens of a window",
        explanation: "By a token's place in its window, from the first on: the share that M2 finds likelier than any other, and the bits that it does not know, 8 or 16 where \
                      nothing was learned; of the first seed. Paper: section 6.2."
            .to_owned(),
        header: ["method", "M2", "accuracy", "bits"].map(str::to_owned).to_vec(),
        rows: with_places.map(row).collect(),
    }
}

/// The results of the first preset: of what does not depend on M2.
fn methods<'a>(results: &[&'a MethodResult]) -> impl Iterator<Item = &'a MethodResult> {
    results.iter().copied().enumerate().filter_map(|(index, result)| {
        let before = &results[..index];
        before.iter().all(|other| other.method != result.method).then_some(result)
    })
}

fn stability(results: &[&MethodResult]) -> Table {
    let row = |result: &MethodResult| {
        let fixed = result.fixed.as_ref();
        let bytes = fixed.map(|fixed| fixed.bytes.iter().map(|bytes| format!("{bytes:.2}")).collect::<Vec<_>>());
        let bytes = bytes.map_or_else(|| "-".to_owned(), |bytes| bytes.join(", "));
        let window = fixed.map_or_else(|| "-".to_owned(), |fixed| format!("{:.2}", fixed.window));
        result.stability.map(|edits| vec![result.method.to_string(), number(edits), bytes, window])
    };
    Table {
        name: "stability",
        title: "Stability of text and tokens",
        explanation: "Frequent words of the held-out text, each put before the same sentence: the edits between the tokens of two such texts as a share of \
                      the longer one, the mean of all pairs. Near 1, a word changes every token that follows it. Then what a token fixes, by its place in its window: the bytes with which all windows begin that have this token \
                      there, beside the bytes of a window. Paper: section 6.1 and Table 14."
            .to_owned(),
        header: ["method", "edits", "bytes fixed", "bytes a window"].map(str::to_owned).to_vec(),
        rows: methods(results).filter_map(row).collect(),
    }
}

/// What M2 makes of text beside its code.
fn seq2seq(all: &[Runs<'_>]) -> Table {
    let row = |runs: &Runs<'_>| {
        let MethodResult { preset, method, figures, .. } = runs.first();
        let theirs = paper::seq2seq(method);
        let percent = |share: f64| format!("{:.2}%", 100.0 * share);
        vec![
            method.to_string(),
            preset.to_string(),
            percent(runs.estimate(|result| result.figures.accuracy).mean),
            theirs.map_or_else(|| "-".to_owned(), |theirs| percent(theirs.accuracy)),
            runs.estimate(|result| result.figures.nats_per_token).to_string(),
            or_none(theirs.map(|theirs| theirs.nats)),
            figures.steps.to_string(),
        ]
    };
    let header = ["task", "M2", "accuracy", "paper", "nats/token", "paper", "steps"];
    Table {
        name: "code",
        title: "Learning the code",
        explanation: "A text after its code, a code after its text, and the text alone: a model that learns to decompress does better than the last. A token that is one of 256 at random \
                      costs 5.545 nats. Paper: section 5.2, Table 5, with 113m."
            .to_owned(),
        header: header.map(str::to_owned).to_vec(),
        rows: all.iter().map(row).collect(),
    }
}

/// The divergence of each method, and that of random bits, as many as the most of theirs.
fn random(results: &[&MethodResult], palette: &Palette) -> Vec<(String, RGBColor, Divergence)> {
    let of = |result: &MethodResult| {
        Some((result.method.to_string(), palette.colour(&result.method), result.divergence.clone()?))
    };
    let mut rows: Vec<_> = methods(results).filter_map(of).collect();
    if let Some(bits) = rows.iter().map(|(_, _, divergence)| divergence.bits).max() {
        rows.push(("random bits".to_owned(), plots::RANDOM, entropy::of_random_bits(bits)));
    }
    rows
}

/// Widths that the table has.
const WIDTHS: [usize; 4] = [4, 8, 12, 16];

fn divergence(rows: &[(String, RGBColor, Divergence)]) -> Table {
    let names = |kind: &str| WIDTHS.map(|width| format!("{kind} of {width}"));
    let header = [vec!["method".to_owned()], names("n-grams").to_vec(), names("tokens").to_vec()].concat();
    let row = |(name, _, Divergence { ngrams, tokens, .. }): &(String, RGBColor, Divergence)| {
        let cells =
            [ngrams, tokens].into_iter().flat_map(|all| WIDTHS.map(|width| all.get(width - 1).copied().flatten()));
        let cells = cells.map(|bits| bits.map_or_else(|| "-".to_owned(), |bits| format!("{bits:.5}")));
        std::iter::once(name.clone()).chain(cells).collect()
    };
    Table {
        name: "divergence",
        title: "How far the training tokens are from random bits",
        explanation: "Kullback-Leibler divergence from uniform in bits, after Miller and Madow, where there are eight times as many as there are values: of neighbouring bits at every place, \
                      and of as many bits that begin at multiples of their number. Paper: section 6.3."
            .to_owned(),
        header,
        rows: rows.iter().map(row).collect(),
    }
}

/// What else the figures depend on.
fn provenance(result: &MethodResult) -> Vec<String> {
    let model = result.model.as_ref().map(|model| format!(", model {model}")).unwrap_or_default();
    let hashes =
        |what: &str, [train, test]: &[String; 2]| format!("SHA-256 of the {what}: training {train}, held out {test}");
    vec![format!("seed {}{model}", result.seed), hashes("text", &result.text_sha256), hashes("tokens", &result.sha256)]
}

fn markdown(origin: &Origin<'_>, results: &[MethodResult], tables: &[&Table]) -> String {
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
    for result in results {
        let commands = result.commands.join("\n");
        let _ = write!(
            text,
            "\n{}, {}, seed {}:\n\n```sh\n{commands}\n```\n\n{}\n",
            result.method,
            result.preset,
            result.seed,
            provenance(result).join("  \n")
        );
    }
    text
}

fn csv(results: &[MethodResult]) -> String {
    let mut text = "method,preset,vocabulary,token_ratio,uniform_bits_per_byte,unigram_bits_per_byte,bits_per_byte,flops_per_byte,flops_per_byte_with_m1,flops_per_byte_with_output,parameters,steps,trained_tokens,epochs,tokens_measured,accuracy,nats_per_token,seed,model,train_sha256,test_sha256,train_text_sha256,test_text_sha256\n".to_owned();
    for MethodResult { preset, method, figures, seed, model, sha256, text_sha256, .. } in results {
        // A method's name has commas; there are no quotes in it.
        let _ = writeln!(
            text,
            "\"{method}\",{preset},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{seed},{},{},{}",
            method.vocabulary(),
            figures.token_ratio,
            figures.uniform_bits_per_byte,
            figures.unigram_bits_per_byte.map_or_else(String::new, |bits| bits.to_string()),
            figures.bits_per_byte,
            figures.flops_per_byte,
            figures.flops_per_byte_with_m1,
            figures.flops_per_byte_with_output,
            figures.parameters,
            figures.steps,
            figures.trained_tokens,
            figures.epochs.map_or_else(String::new, |epochs| epochs.to_string()),
            figures.tokens,
            figures.accuracy,
            figures.nats_per_token,
            model.as_deref().unwrap_or_default(),
            sha256.join(","),
            text_sha256.join(",")
        );
    }
    text
}
