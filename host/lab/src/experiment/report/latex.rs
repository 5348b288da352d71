//! Tables as LaTeX, for the package `booktabs`.

use std::fmt::Write;

use super::Table;

/// A table as a float with its explanation as the caption.
pub fn table(table: &Table) -> String {
    let line = |cells: &[String]| cells.iter().map(|cell| escaped(cell)).collect::<Vec<_>>().join(" & ") + r" \\";
    let columns = "r".repeat(table.header.len().saturating_sub(1));
    let mut text = String::from("% \\usepackage{booktabs}\n\\begin{table}\n\\centering\n\\small\n");
    // Writing to a String cannot fail.
    let _ = writeln!(text, "\\begin{{tabular}}{{l{columns}}}\n\\toprule\n{}\n\\midrule", line(&table.header));
    for row in &table.rows {
        let _ = writeln!(text, "{}", line(row));
    }
    let caption = escaped(&table.explanation);
    let _ = writeln!(text, "\\bottomrule\n\\end{{tabular}}\n\\caption{{{}. {caption}}}", escaped(table.title));
    let _ = writeln!(text, "\\label{{tab:{}}}\n\\end{{table}}", table.name);
    text
}

/// Text in which LaTeX finds no commands.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '%' | '&' | '_' | '#' | '$' | '{' | '}' => escaped.extend(['\\', character]),
            '~' => escaped.push_str(r"\textasciitilde{}"),
            '^' => escaped.push_str(r"\textasciicircum{}"),
            '\\' => escaped.push_str(r"\textbackslash{}"),
            '<' => escaped.push_str("$<$"),
            '>' => escaped.push_str("$>$"),
            '±' => escaped.push_str(r"$\pm$"),
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_text() {
        let cells = |cells: [&str; 2]| cells.map(str::to_owned).to_vec();
        let example = Table {
            name: "ratios",
            title: "Ratios",
            explanation: "90% & more".to_owned(),
            header: cells(["method", "a_b"]),
            rows: vec![cells([r"Bytes {x} \ ^ ~", "1.000 ± 0.1"])],
        };
        let latex = table(&example);
        assert!(latex.contains(r"\begin{tabular}{lr}"), "{latex}");
        assert!(latex.contains(r"method & a\_b \\"), "{latex}");
        assert!(
            latex.contains(r"Bytes \{x\} \textbackslash{} \textasciicircum{} \textasciitilde{} & 1.000 $\pm$ 0.1 \\")
        );
        assert!(latex.contains(r"\caption{Ratios. 90\% \& more}") && latex.contains(r"\label{tab:ratios}"), "{latex}");
    }
}
