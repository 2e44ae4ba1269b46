//! The house rules that can be read off the text of the checkout. A rule that is broken prints the
//! place and what to do.

use std::fs::read_to_string;
use std::path::{Path, PathBuf};

/// The longest function, in lines from its head to its closing brace.
const FUNCTION_LINES_MAX: usize = 70;

/// The longest source file, in lines.
const FILE_LINES_MAX: usize = 500;

/// What has no place in committed code, each with what to do instead. Split in two, so that this
/// file does not contain them.
const BANNED: &[(&str, &str, &str)] = &[
    ("FIX", "ME", "do it, or write an issue"),
    ("todo", "!(", "do it"),
    ("unimplemented", "!(", "do it"),
    ("dbg", "!(", "use tracing"),
    ("#[ign", "ore", "a test that does not run is no test: delete it or make it hold"),
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ is in the checkout")
}

/// Returns the files below a folder with this extension, without what is compiled or fetched.
fn files(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in folder.read_dir().expect("a readable folder") {
            let path = entry.expect("a readable entry").path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if path.is_dir() && name != "target" && name != "data" && !name.starts_with('.') {
                folders.push(path);
            } else if path.extension().is_some_and(|found| found == extension) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

fn read(path: &Path) -> String {
    read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn assert_none(broken: &[String]) {
    assert!(broken.is_empty(), "\n{}", broken.join("\n"));
}

#[test]
fn files_are_short() {
    let mut broken = Vec::new();
    for path in files(root(), "rs") {
        let lines = read(&path).lines().count();
        if lines > FILE_LINES_MAX {
            broken.push(format!("{}: {lines} lines; make two rooms of it", path.display()));
        }
    }
    assert_none(&broken);
}

/// Returns the heads of the functions that are too long, with their line numbers and lengths.
fn long_functions(text: &str) -> Vec<(usize, usize, String)> {
    let mut found = Vec::new();
    let mut open: Option<(usize, usize, &str)> = None;
    for (number, line) in text.lines().enumerate() {
        let code = line.trim_start();
        let indent = line.len() - code.len();
        match open {
            None if is_function_head(code) => open = Some((number, indent, code)),
            Some((start, depth, head)) if indent == depth && closes(code) => {
                let length = number - start + 1;
                if length > FUNCTION_LINES_MAX {
                    found.push((start + 1, length, head.to_owned()));
                }
                open = None;
            }
            _ => {}
        }
    }
    found
}

fn is_function_head(code: &str) -> bool {
    let words: Vec<&str> = code.split_whitespace().take_while(|word| *word != "fn").collect();
    let qualifiers = ["const", "async", "unsafe", "extern", "default"];
    let is_qualifier = |word: &&str| word.starts_with("pub") || qualifiers.contains(word);
    code.contains("fn ")
        && !code.ends_with(';')
        && words.len() < 5
        && words.iter().all(is_qualifier)
}

fn closes(code: &str) -> bool {
    code.starts_with('}') || code.ends_with("{}") || code.ends_with(';')
}

#[test]
fn functions_are_short() {
    let mut broken = Vec::new();
    for path in files(root(), "rs") {
        for (line, length, head) in long_functions(&read(&path)) {
            broken.push(format!("{}:{line}: {length} lines: {head}", path.display()));
        }
    }
    assert_none(&broken);
}

#[test]
fn long_functions_are_recognised() {
    let body = "        step();\n".repeat(FUNCTION_LINES_MAX);
    let long =
        format!("impl A {{\n    pub async fn long(\n        &self,\n    ) {{\n{body}    }}\n}}\n");
    let short = "fn one() {}\nfn two() -> u8 {\n    2\n}\n";
    assert_eq!(long_functions(&long).len(), 1);
    assert_eq!(long_functions(short).len(), 0);
}

#[test]
fn nothing_is_left_undone() {
    let mut broken = Vec::new();
    for path in files(root(), "rs") {
        for (number, line) in read(&path).lines().enumerate() {
            for (head, tail, advice) in BANNED {
                if line.contains(&format!("{head}{tail}")) {
                    let place = format!("{}:{}", path.display(), number + 1);
                    broken.push(format!("{place}: {head}{tail}: {advice}"));
                }
            }
        }
    }
    assert_none(&broken);
}

#[test]
fn every_fixture_has_a_test() {
    let tests: String = files(&root().join("tests"), "rs").iter().map(|path| read(path)).collect();
    let mut broken = Vec::new();
    for manifest in files(&root().join("components"), "toml") {
        let guest = manifest.parent().and_then(Path::file_name).unwrap_or_default();
        let constant = guest.to_string_lossy().replace('-', "_").to_uppercase();
        let is_guest = manifest.with_file_name("src").is_dir();
        if is_guest && !tests.contains(&format!("fixtures::{constant}")) {
            broken.push(format!("{}: no test names fixtures::{constant}", manifest.display()));
        }
    }
    assert_none(&broken);
}

#[test]
fn every_promise_is_stated_and_compiled() {
    let folder = root().join("tests/tests/promises");
    let main = read(&folder.join("main.rs"));
    let mut broken = Vec::new();
    for path in files(&folder, "rs") {
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        if !read(&path).starts_with("//!") {
            broken.push(format!("{}: begin with what it shows and how", path.display()));
        }
        if name != "main" && !main.contains(&format!("mod {name};")) {
            broken.push(format!("{}: not in main.rs", path.display()));
        }
    }
    assert_none(&broken);
}

#[test]
fn every_verb_of_make_is_explained() {
    let makefile = read(&root().join("Makefile"));
    let phony = makefile.lines().find_map(|line| line.strip_prefix(".PHONY: "));
    let explained = |verb: &str| {
        let rule = makefile.lines().find(|line| line.starts_with(&format!("{verb}:")));
        rule.is_some_and(|rule| rule.contains(" ## "))
    };
    let mut broken = Vec::new();
    for verb in phony.expect("a list of verbs").split(' ') {
        if !explained(verb) {
            broken.push(format!("Makefile: say after `## ` what `{verb}` does"));
        }
    }
    assert_none(&broken);
}

#[test]
fn every_function_of_the_host_interface_is_explained() {
    let mut broken = Vec::new();
    let folders = ["wit/everlog-api", "wit/golem-api", "wit/golem-rpc"]
        .map(|folder| files(&root().join(folder), "wit"));
    for path in folders.into_iter().flatten() {
        let text = read(&path);
        let lines: Vec<&str> = text.lines().collect();
        for (number, line) in lines.iter().enumerate().skip(1) {
            if line.contains(": func(") && !lines[number - 1].trim_start().starts_with("///") {
                broken.push(format!("{}:{}: {line}", path.display(), number + 1));
            }
        }
    }
    assert_none(&broken);
}
