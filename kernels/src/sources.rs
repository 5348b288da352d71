//! The kernels' text, as passed to NVRTC: one string per `.cu` file, including its own headers.

/// The name and text of every file of GPU code, sorted by name.
pub const FILES: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/files.rs"));

/// The units of compilation: the `.cu` files, without their extension.
pub fn units() -> impl Iterator<Item = &'static str> {
    FILES.iter().filter_map(|(name, _)| name.strip_suffix(".cu"))
}

/// A file includes one that isn't among [`FILES`].
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("kernels: no file {0}")]
pub struct MissingSource(pub String);

/// The text of `unit` with each of its headers inlined once, and `#line` directives so that compiler messages name the
/// file. Includes from `cpu/` are omitted: the preprocessor skips them on a GPU.
pub fn source(unit: &str) -> Result<String, MissingSource> {
    let mut text = String::new();
    append(&format!("{unit}.cu"), &mut Vec::new(), &mut text)?;
    Ok(text)
}

fn append(name: &str, included: &mut Vec<String>, text: &mut String) -> Result<(), MissingSource> {
    if included.iter().any(|one| one == name) {
        return Ok(());
    }
    included.push(name.to_string());
    let (_, file) = FILES.iter().find(|(file, _)| *file == name).ok_or_else(|| MissingSource(name.to_string()))?;
    text.push_str(&format!("#line 1 \"{name}\"\n"));
    for (index, line) in file.lines().enumerate() {
        let header = line.strip_prefix("#include \"").and_then(|rest| rest.split_once('"')).map(|(header, _)| header);
        match header {
            Some(header) if header.starts_with("cpu/") => text.push('\n'),
            Some(header) => {
                append(header, included, text)?;
                text.push_str(&format!("#line {} \"{name}\"\n", index + 2));
            }
            None if line == "#pragma once" => text.push('\n'),
            None => {
                text.push_str(line);
                text.push('\n');
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_unit_has_all_its_headers_once() {
        assert!(units().any(|unit| unit == "convert"));
        for unit in units() {
            let text = source(unit).unwrap();
            assert!(!text.contains("#include"), "{unit}");
            assert_eq!(text.matches("struct bf16 {").count(), 1, "{unit}");
        }
    }

    #[test]
    fn kernels_have_names_of_their_own() {
        let mut names: Vec<&str> = FILES
            .iter()
            .flat_map(|(_, text)| text.lines())
            .filter_map(|line| line.strip_prefix("REGISTER_KERNEL(")?.split_once(')'))
            .map(|(name, _)| name)
            .collect();
        names.sort_unstable();
        let registered = names.len();
        names.dedup();
        assert_eq!(names.len(), registered);
    }

    #[test]
    fn a_unit_that_does_not_exist_is_named() {
        assert_eq!(source("nothing"), Err(MissingSource("nothing.cu".to_string())));
    }
}
