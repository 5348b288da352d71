//! Calls without a command, as zstd and gzip are called: `equalinfo -d FILE`, `equalinfo -T0 FILE`, `equalinfo -tq FILE`.

use std::ffi::{OsStr, OsString};

/// What a command is called as an option.
const OPTIONS: [(&str, char, &str); 3] =
    [("--decompress", 'd', "decompress"), ("--test", 't', "test"), ("--list", 'l', "list")];

/// Options of one letter that a value follows.
const WITH_VALUE: [char; 2] = ['T', 'o'];

/// The command line with a command: as it is, unless it begins with an option that is not about the tool itself. Then
/// the last option that stands for a command counts, and without one the files are compressed.
pub fn with_command(arguments: impl IntoIterator<Item = OsString>) -> Vec<OsString> {
    let mut arguments: Vec<OsString> = arguments.into_iter().collect();
    let is_about_tool = |first: &OsString| ["-h", "--help", "-V", "--version"].iter().any(|name| first == name);
    match arguments.get(1) {
        Some(first) if first.as_encoded_bytes().starts_with(b"-") && !is_about_tool(first) => {}
        _ => return arguments,
    }
    let mut command = "compress";
    let (mut kept, mut rest) = (Vec::new(), arguments.split_off(1).into_iter());
    while let Some(argument) = rest.next() {
        if argument == "--" {
            kept.push(argument);
            break;
        }
        if let Some((.., name)) = OPTIONS.iter().find(|(long, ..)| argument == *long) {
            command = name;
            continue;
        }
        let Some((left, value_follows)) = without_command(&argument, &mut command) else {
            kept.push(argument);
            continue;
        };
        kept.extend(left);
        if value_follows {
            kept.extend(rest.next());
        }
    }
    kept.extend(rest);
    arguments.push(command.into());
    arguments.append(&mut kept);
    arguments
}

/// Letters after one dash without those that stand for a command, and whether the next argument is the last one's
/// value; `None` if it is no such argument.
fn without_command(argument: &OsStr, command: &mut &'static str) -> Option<(Option<OsString>, bool)> {
    let letters =
        argument.to_str()?.strip_prefix('-').filter(|letters| !letters.is_empty() && !letters.starts_with('-'))?;
    let mut left = String::from("-");
    for (at, letter) in letters.char_indices() {
        if WITH_VALUE.contains(&letter) {
            let value = &letters[at..];
            left.push_str(value);
            return Some((Some(left.into()), value.len() == 1));
        }
        match OPTIONS.iter().find(|(_, short, _)| *short == letter) {
            Some((.., name)) => *command = name,
            None => left.push(letter),
        }
    }
    Some(((left.len() > 1).then(|| left.into()), false))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expanded(line: &str) -> String {
        let words = ["equalinfo"].into_iter().chain(line.split_whitespace()).map(OsString::from);
        let words: Vec<String> = with_command(words).into_iter().map(|word| word.into_string().unwrap()).collect();
        words[1..].join(" ")
    }

    #[test]
    fn commands_stay_as_they_are() {
        for line in ["", "compress -f x", "cat -d", "--help", "-V", "x"] {
            assert_eq!(expanded(line), line);
        }
    }

    #[test]
    fn options_stand_for_commands() {
        assert_eq!(expanded("-d x.eqi"), "decompress x.eqi");
        assert_eq!(expanded("-fdc x.eqi"), "decompress -fc x.eqi");
        assert_eq!(expanded("-c -d x.eqi"), "decompress -c x.eqi");
        assert_eq!(expanded("-t -q x.eqi"), "test -q x.eqi");
        assert_eq!(expanded("--list x.eqi"), "list x.eqi");
        assert_eq!(expanded("-T0 -f x"), "compress -T0 -f x");
        assert_eq!(expanded("-o -d x"), "compress -o -d x");
        assert_eq!(expanded("-fodd x"), "compress -fodd x");
        assert_eq!(expanded("-d -- -l"), "decompress -- -l");
        assert_eq!(expanded("-"), "compress -");
    }
}
