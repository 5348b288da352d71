//! The report of an experiment: one self-contained page, and the same as Markdown and CSV.

use std::fmt::Write;

mod page;
mod plots;

use anyhow::Result;
use plotters::style::RGBColor;

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
    let random = random(outcomes);
    let (tasks, texts): (Vec<&Outcome>, Vec<&Outcome>) =
        outcomes.iter().partition(|outcome| matches!(outcome.method, Method::Seq2seq { .. }));
    let tables =
        [ratios(&texts), learned(&texts), seq2seq(&tasks), places(&texts), stability(&texts), divergence(&random)];
    let tables: Vec<&Table> = tables.iter().filter(|table| !table.rows.is_empty()).collect();
    let mut plots = Vec::new();
    if !texts.is_empty() {
        plots.push(("Bits/byte against operations", plots::cost(&texts)?));
        plots.push(("What M2 learned", plots::learned(&texts)?));
    }
    for (title, widths) in [
        ("Neighbouring bits, at every place, and random ones", (|it| &it.ngrams) as fn(&Divergence) -> &[Option<f64>]),
        ("Bits as tokens of their number, and random ones", |it| &it.tokens),
    ] {
        plots.extend(plots::divergence(&random, widths)?.map(|plot| (title, plot)));
    }
    Ok(Report {
        html: page::page(origin, outcomes, &tables, &plots).into_string(),
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

fn ratios(outcomes: &[&Outcome]) -> Table {
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

fn learned(outcomes: &[&Outcome]) -> Table {
    let header = [
        "method",
        "M2",
        "bits/byte",
        "paper",
        "below uniform",
        "accuracy",
        "MFLOPs/byte",
        "with M1",
        "bytes a step",
        "steps",
    ];
    let row = |outcome: &&Outcome| {
        let Outcome { preset, method, figures, .. } = *outcome;
        let size = paper::PRESETS.iter().position(|name| name == preset);
        let theirs = size.and_then(|size| paper::figures(method)?.bits_per_byte[size]);
        vec![
            method.to_string(),
            preset.clone(),
            number(figures.bits_per_byte),
            or_none(theirs),
            number(figures.uniform_bits_per_byte - figures.bits_per_byte),
            number(figures.accuracy),
            number(figures.flops_per_byte / 1e6),
            number(figures.flops_per_byte_with_m1 / 1e6),
            number(figures.token_ratio),
            figures.steps.to_string(),
        ]
    };
    Table {
        title: "What M2 learns",
        explanation: "Bits/byte on held-out text: nats a token over ln 2 and bytes a token. Where nothing was learned they are those of the uniform model. \
                      Accuracy is the share of tokens that M2 finds likelier than any other. Operations are two a weight outside the embedding, as the paper counts (Tables 15 to 17).",
        header: header.map(str::to_owned).to_vec(),
        rows: outcomes.iter().map(row).collect(),
    }
}

fn places(outcomes: &[&Outcome]) -> Table {
    let with_places = outcomes.iter().filter(|outcome| !outcome.figures.bits_by_place.is_empty());
    let list = |values: &[f64]| values.iter().map(|value| number(*value)).collect::<Vec<String>>().join(", ");
    let row = |outcome: &&Outcome| {
        let Outcome { preset, method, figures, .. } = *outcome;
        vec![method.to_string(), preset.clone(), list(&figures.accuracy_by_place), list(&figures.bits_by_place)]
    };
    Table {
        title: "The tokens of a window",
        explanation: "By a token's place in its window, from the first on: the share that M2 finds likelier than any other, and the bits that it does not know, 8 or 16 where \
                      nothing was learned. Paper: section 6.2.",
        header: ["method", "M2", "accuracy", "bits"].map(str::to_owned).to_vec(),
        rows: with_places.map(row).collect(),
    }
}

/// The outcomes of the first preset: of what does not depend on M2.
fn methods<'a>(outcomes: &[&'a Outcome]) -> impl Iterator<Item = &'a Outcome> {
    outcomes.iter().copied().enumerate().filter_map(|(index, outcome)| {
        let before = &outcomes[..index];
        before.iter().all(|other| other.method != outcome.method).then_some(outcome)
    })
}

fn stability(outcomes: &[&Outcome]) -> Table {
    let row = |outcome: &Outcome| {
        let fixed = outcome.fixed.as_ref();
        let bytes = fixed.map(|fixed| fixed.bytes.iter().map(|bytes| format!("{bytes:.2}")).collect::<Vec<_>>());
        let bytes = bytes.map_or_else(|| "-".to_owned(), |bytes| bytes.join(", "));
        let window = fixed.map_or_else(|| "-".to_owned(), |fixed| format!("{:.2}", fixed.window));
        outcome.stability.map(|edits| vec![outcome.method.to_string(), number(edits), bytes, window])
    };
    Table {
        title: "Stability of text and tokens",
        explanation: "Frequent words of the held-out text, each put before the same sentence: the edits between the tokens of two such texts as a share of \
                      the longer one, the mean of all pairs. Near 1, a word changes every token that follows it. Then what a token fixes, by its place in its window: the bytes with which all windows begin that have this token \
                      there, beside the bytes of a window. Paper: section 6.1 and Table 14.",
        header: ["method", "edits", "bytes fixed", "bytes a window"].map(str::to_owned).to_vec(),
        rows: methods(outcomes).filter_map(row).collect(),
    }
}

/// What M2 makes of text beside its code.
fn seq2seq(outcomes: &[&Outcome]) -> Table {
    let row = |outcome: &&Outcome| {
        let Outcome { preset, method, figures, .. } = *outcome;
        let theirs = paper::seq2seq(method);
        let percent = |share: f64| format!("{:.2}%", 100.0 * share);
        vec![
            method.to_string(),
            preset.clone(),
            percent(figures.accuracy),
            theirs.map_or_else(|| "-".to_owned(), |theirs| percent(theirs.accuracy)),
            number(figures.nats_per_token),
            or_none(theirs.map(|theirs| theirs.nats)),
            figures.steps.to_string(),
        ]
    };
    let header = ["task", "M2", "accuracy", "paper", "nats/token", "paper", "steps"];
    Table {
        title: "Learning the code",
        explanation: "A text after its code, a code after its text, and the text alone: a model that learns to decompress does better than the last. A token that is one of 256 at random \
                      costs 5.545 nats. Paper: section 5.2, Table 5, with 113m.",
        header: header.map(str::to_owned).to_vec(),
        rows: outcomes.iter().map(row).collect(),
    }
}

/// The divergence of each method, and that of random bits, as many as the most of theirs.
fn random(outcomes: &[Outcome]) -> Vec<(String, RGBColor, Divergence)> {
    let outcomes: Vec<&Outcome> = outcomes.iter().collect();
    let of = |outcome: &Outcome| {
        Some((outcome.method.to_string(), plots::colour(&outcome.method), outcome.divergence.clone()?))
    };
    let mut rows: Vec<_> = methods(&outcomes).filter_map(of).collect();
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
        title: "How far the training tokens are from random bits",
        explanation: "Kullback-Leibler divergence from uniform in bits, after Miller and Madow, where there are eight times as many as there are values: of neighbouring bits at every place, \
                      and of as many bits that begin at multiples of their number. Paper: section 6.3.",
        header,
        rows: rows.iter().map(row).collect(),
    }
}

/// What else the figures depend on.
fn provenance(outcome: &Outcome) -> Vec<String> {
    let model = outcome.model.as_ref().map(|model| format!(", model {model}")).unwrap_or_default();
    let hashes =
        |what: &str, [train, test]: &[String; 2]| format!("SHA-256 of the {what}: training {train}, held out {test}");
    vec![
        format!("seed {}{model}", outcome.seed),
        hashes("text", &outcome.text_sha256),
        hashes("tokens", &outcome.sha256),
    ]
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
        let _ = write!(
            text,
            "\n{}, {}:\n\n```sh\n{commands}\n```\n\n{}\n",
            outcome.method,
            outcome.preset,
            provenance(outcome).join("  \n")
        );
    }
    text
}

fn csv(outcomes: &[Outcome]) -> String {
    let mut text = "method,preset,vocabulary,token_ratio,uniform_bits_per_byte,unigram_bits_per_byte,bits_per_byte,flops_per_byte,flops_per_byte_with_m1,parameters,steps,tokens_measured,accuracy,nats_per_token,seed,model,train_sha256,test_sha256,train_text_sha256,test_text_sha256\n".to_owned();
    for Outcome { preset, method, figures, seed, model, sha256, text_sha256, .. } in outcomes {
        // A method's name has commas; there are no quotes in it.
        let _ = writeln!(
            text,
            "\"{method}\",{preset},{},{},{},{},{},{},{},{},{},{},{},{},{seed},{},{},{}",
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
            figures.accuracy,
            figures.nats_per_token,
            model.as_deref().unwrap_or_default(),
            sha256.join(","),
            text_sha256.join(",")
        );
    }
    text
}
