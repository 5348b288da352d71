//! Outputs, with and without names while they are written.

use std::fs;
use std::io::Write;
use std::path::Path;

use super::partial::Partial;
use super::{DirectoryLock, FileError, NewFile, Place, open_regular, write};

fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).unwrap();
    let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn nothing_stands_under_the_name_before_the_end() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("output");
    let mut file = NewFile::create(&path, false).unwrap();
    file.write_all(b"content").unwrap();
    assert!(!path.exists());
    file.finish(None).unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"content");
    let error = NewFile::create(&path, false).err().unwrap();
    assert!(matches!(error, FileError::Exists { .. }));
    write(&path, b"other").unwrap();
    drop(NewFile::create(&path, true).unwrap());
    assert_eq!(fs::read(&path).unwrap(), b"other");
    assert_eq!(names(directory.path()), ["output"]);
    assert!(matches!(NewFile::create(directory.path(), true), Err(FileError::IsDirectory { .. })));
}

#[test]
fn a_file_that_appears_meanwhile_is_kept() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("output");
    let file = NewFile::create(&path, false).unwrap();
    fs::write(&path, b"precious").unwrap();
    assert!(matches!(file.finish(None), Err(FileError::Exists { .. })));
    let file = Partial::create_named(&path).unwrap();
    assert!(file.publish(&path, false).is_err());
    assert_eq!(fs::read(&path).unwrap(), b"precious");
    assert_eq!(names(directory.path()), ["output"]);
    for replace in [false, true] {
        let file = Partial::create_named(&path).unwrap();
        file.file().write_all(b"new").unwrap();
        if !replace {
            fs::remove_file(&path).unwrap();
        }
        file.publish(&path, replace).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert_eq!(names(directory.path()), ["output"]);
    }
}

#[test]
fn strays_are_removed_and_what_is_being_written_is_not() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("n".repeat(255));
    let first = Partial::create_named(&path).unwrap();
    let second = Partial::create_named(&path).unwrap();
    let partials = names(directory.path());
    assert_eq!(partials.len(), 2);
    assert!(partials.iter().all(|name| name.len() < 140 && name.ends_with(".partial")));
    drop((first, second));
    assert!(names(directory.path()).is_empty());
    // As a process that was killed leaves them: no lock is held.
    for name in &partials {
        fs::write(directory.path().join(name), b"plain text").unwrap();
    }
    let file = Partial::create_named(&path).unwrap();
    assert_eq!(names(directory.path()), partials[..1]);
    file.publish(&path, false).unwrap();
    assert_eq!(names(directory.path()).len(), 1);
}

#[test]
fn one_at_a_time_writes_a_directory() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("new");
    let first = DirectoryLock::take(&path).unwrap();
    let error = DirectoryLock::take(&path).unwrap_err();
    assert!(matches!(&error, FileError::InUse { path: named } if *named == path), "{error}");
    drop(first);
    DirectoryLock::take(&path).unwrap();
}

#[cfg(unix)]
#[test]
fn what_has_no_end_is_not_opened() {
    let directory = tempfile::tempdir().unwrap();
    let link = directory.path().join("link");
    std::os::unix::fs::symlink("/dev/zero", &link).unwrap();
    for path in [Path::new("/dev/zero"), &link] {
        assert!(matches!(open_regular(path), Err(FileError::NotRegular { .. })));
    }
    assert!(matches!(open_regular(directory.path()), Err(FileError::IsDirectory { .. })));
    fs::write(directory.path().join("file"), b"four").unwrap();
    assert_eq!(open_regular(&directory.path().join("file")).unwrap().1, 4);
}

#[cfg(unix)]
#[test]
fn content_is_private_until_it_is_complete() {
    use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    let mode = |name: &str| at(name).metadata().unwrap().permissions().mode() & 0o7777;
    for partial in [Partial::create(&at("output")), Partial::create_named(&at("output"))] {
        assert_eq!(partial.unwrap().file().metadata().unwrap().mode() & 0o777, 0o600);
    }
    fs::write(at("source"), b"text").unwrap();
    fs::set_permissions(at("source"), PermissionsExt::from_mode(0o6754)).unwrap();
    let source = at("source").metadata().unwrap();
    NewFile::create(&at("output"), false).unwrap().finish(Some(&source)).unwrap();
    assert_eq!(mode("output"), 0o754);
    assert_eq!(at("output").metadata().unwrap().modified().unwrap(), source.modified().unwrap());
    // What replaces a private file stays private.
    fs::set_permissions(at("output"), PermissionsExt::from_mode(0o600)).unwrap();
    write(&at("output"), b"new").unwrap();
    assert_eq!(mode("output"), 0o600);
    // A link is replaced, what it leads to is not.
    symlink("output", at("link")).unwrap();
    assert!(matches!(NewFile::create(&at("link"), false), Err(FileError::Exists { .. })));
    write(&at("link"), b"other").unwrap();
    assert_eq!((fs::read(at("link")).unwrap(), fs::read(at("output")).unwrap()), (b"other".to_vec(), b"new".to_vec()));
    symlink("nowhere", at("dangling")).unwrap();
    assert!(matches!(NewFile::create(&at("dangling"), false), Err(FileError::Exists { .. })));
    assert!(matches!(NewFile::create(Path::new("/proc/self/exe"), true), Err(FileError::SystemLink { .. })));
}

#[cfg(unix)]
#[test]
fn devices_are_written_into() {
    use std::os::unix::fs::FileTypeExt;
    let mut null = NewFile::create(Path::new("/dev/null"), false).unwrap();
    assert!(!null.is_regular());
    null.write_all(b"gone").unwrap();
    null.finish(None).unwrap();
    assert!(Path::new("/dev/null").metadata().unwrap().file_type().is_char_device());
    if Path::new("/dev/full").exists() {
        let mut full = NewFile::create(Path::new("/dev/full"), true).unwrap();
        full.write_all(b"no room").unwrap();
        assert!(full.finish(None).is_err());
    }
}

#[cfg(unix)]
#[test]
fn one_file_is_one_place_under_all_its_names() {
    use std::os::unix::fs::symlink;
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    let place = |name: &str| Place::of(&at(name)).unwrap();
    fs::write(at("file"), b"").unwrap();
    fs::hard_link(at("file"), at("hard")).unwrap();
    symlink("file", at("soft")).unwrap();
    symlink("new", at("dangling")).unwrap();
    assert_eq!(place("file"), place("./hard"));
    assert_eq!(place("file"), place("soft"));
    assert_eq!(place("new"), place("./new"));
    assert_eq!(place("new"), place("dangling"));
    assert_ne!(place("new"), place("file"));
    assert_eq!(Place::of_open(fs::File::open(at("file")).unwrap()), Some(place("hard")));
    assert_eq!(Place::of(Path::new("/dev/null")), None);
    assert_eq!(Place::of(&at("no/such")), None);
}
