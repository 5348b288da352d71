//! The page of a report.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::super::MethodResult;
use super::{Origin, Plot, Table, provenance};

const STYLE: &str = "
:root { color-scheme: light dark; --ground: #ffffff; --text: #1c1e21; --faint: #6b7280; --line: #e5e7eb; --even: #f7f8fa; }
@media (prefers-color-scheme: dark) { :root { --ground: #14161a; --text: #e6e8eb; --faint: #9aa3af; --line: #2b3038; --even: #1b1e24; } }
body { background: var(--ground); color: var(--text); font: 16px/1.55 system-ui, sans-serif; margin: 0 auto; max-width: 66rem; padding: 2.5rem 1.25rem 4rem; }
h1 { font-size: 1.9rem; margin: 0 0 .25rem; } h2 { font-size: 1.25rem; margin: 2.75rem 0 .5rem; }
p { max-width: 46rem; } .faint { color: var(--faint); font-size: .9rem; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-size: .88rem; font-variant-numeric: tabular-nums; width: 100%; }
th { border-bottom: 2px solid var(--line); cursor: pointer; text-align: right; padding: .4rem .4rem; user-select: none; vertical-align: bottom; }
td { border-bottom: 1px solid var(--line); padding: .35rem .4rem; text-align: right; white-space: nowrap; }
td:first-child { white-space: normal; }
th:first-child, td:first-child, .left { text-align: left; } tbody tr:nth-child(even) { background: var(--even); }
.plot { color: var(--text); display: block; height: auto; max-width: 100%; }
.windows { font: 15px/1.9 ui-monospace, monospace; white-space: pre-wrap; } .windows span { border-radius: 4px; padding: .12rem 0; }
.a { background: #4285f433; } .b { background: #fb8c0033; } .c { background: #34a85333; }
@media print {
  :root { color-scheme: light; --ground: #ffffff; --text: #000000; --faint: #444444; --line: #cccccc; --even: #ffffff; }
  @page { margin: 14mm; } body { font-size: 10pt; max-width: none; padding: 0; } p { max-width: none; }
  h2 { break-after: avoid; margin-top: 1.5rem; } section, tr, .plot { break-inside: avoid; } thead { display: table-header-group; }
  .wide { overflow: visible; } table { font-size: 6.5pt; } th, td { padding: .15rem .25rem; } code { font-size: 7pt; }
}
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

/// A cell in which lines may end after commas: names of methods are long.
fn breakable(cell: &str) -> Markup {
    html! { @for part in cell.split_inclusive(',') { (part) wbr; } }
}

/// The whole page.
pub fn page(origin: &Origin<'_>, results: &[MethodResult], tables: &[&Table], plots: &[Plot]) -> Markup {
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
                @for plot in plots {
                    section {
                        h2 { (plot.title) }
                        div.wide { (PreEscaped(&plot.svg)) }
                    }
                }
                @for table in tables {
                    h2 { (table.title) }
                    p { (table.explanation) }
                    div.wide { table {
                        thead { tr { @for cell in &table.header { th { (cell) } } } }
                        tbody { @for row in &table.rows { tr { @for cell in row { td { (breakable(cell)) } } } } }
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
                @for result in results {
                    details {
                        summary { (result.method) ", " (result.preset) ", seed " (result.seed) }
                        @for command in &result.commands { div { code { (command) } } }
                        @for line in provenance(result) { div.faint { (line) } }
                    }
                }
                script { (PreEscaped(SORT)) }
            }
        }
    }
}
