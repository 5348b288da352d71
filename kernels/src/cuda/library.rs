//! Where to find NVIDIA's libraries besides the dynamic loader's own places: the toolkit's folders and Python
//! environments' packages.

use std::collections::HashSet;
use std::error::Error as _;
use std::path::{Path, PathBuf};

/// The paths where a library with one of these names may lie, and a description of them.
pub(super) fn places(names: &[&str]) -> (Vec<PathBuf>, Vec<String>) {
    let mut paths: Vec<PathBuf> = names.iter().map(PathBuf::from).collect();
    let mut words: Vec<String> = names.iter().map(|name| name.to_string()).collect();
    for folder in folders() {
        words.push(folder.display().to_string());
        paths.extend(names.iter().map(|name| folder.join(name)).filter(|file| file.exists()));
    }
    (paths, words)
}

/// The result of [`places`], or the one file that the user names in `variable`.
pub(super) fn places_or_chosen(variable: &str, names: &[&str]) -> (Vec<PathBuf>, Vec<String>) {
    match std::env::var_os(variable).map(PathBuf::from) {
        Some(file) => (vec![file.clone()], vec![format!("{} (from {variable})", file.display())]),
        None => places(names),
    }
}

/// Why a library wasn't loaded: the loader's own words, which come as the source and name the file.
pub(super) fn reason(path: &Path, error: &libloading::Error) -> String {
    match error.source() {
        Some(words) => words.to_string(),
        None => format!("{}: {error}", path.display()),
    }
}

fn folders() -> Vec<PathBuf> {
    let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let binaries = if cfg!(windows) { "bin" } else { "lib64" };
    let toolkits =
        ["CUDA_HOME", "CUDA_PATH"].into_iter().filter_map(variable).chain([PathBuf::from("/usr/local/cuda")]);
    let mut folders: Vec<PathBuf> = toolkits.map(|toolkit| toolkit.join(binaries)).collect();
    let chosen: Vec<PathBuf> = ["VIRTUAL_ENV", "CONDA_PREFIX"].into_iter().filter_map(variable).collect();
    folders.extend(chosen.iter().map(|environment| environment.join("lib")));
    let path = std::env::var_os("PATH").unwrap_or_default();
    let installed = std::env::split_paths(&path)
        .filter(|folder| folder.join("python3").exists())
        .filter_map(|folder| Some(folder.parent()?.to_path_buf()));
    for environment in chosen.iter().cloned().chain(installed) {
        for python in entries(&environment.join("lib")).filter(|path| name_starts_with(path, "python3")) {
            for packages in ["site-packages/nvidia", "dist-packages/nvidia"] {
                folders.extend(entries(&python.join(packages)).map(|package| package.join("lib")));
            }
        }
    }
    let mut seen = HashSet::new();
    folders.retain(|folder| folder.is_dir() && seen.insert(folder.clone()));
    folders
}

fn entries(folder: &Path) -> impl Iterator<Item = PathBuf> + use<> {
    let mut paths: Vec<PathBuf> =
        std::fs::read_dir(folder).into_iter().flatten().filter_map(|entry| Some(entry.ok()?.path())).collect();
    paths.sort();
    paths.into_iter()
}

fn name_starts_with(path: &Path, start: &str) -> bool {
    path.file_name().and_then(|name| name.to_str()).is_some_and(|name| name.starts_with(start))
}
