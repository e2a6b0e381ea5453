//! What source files look like.

use super::{expect_none, files};

/// Of a file of code, in lines.
const LENGTH_MAX: usize = 600;
/// Beyond this a file is worth a second look; they are listed, not refused.
const LENGTH_LOOK: usize = 400;
/// Of a line of code, in characters.
const WIDTH_MAX: usize = 120;

#[test]
fn files_of_code_are_not_too_long() {
    let mut faults = Vec::new();
    for (path, text) in files(".rs") {
        let lines = text.lines().count();
        if lines > LENGTH_MAX {
            faults.push(format!("{path}: {lines} lines, at most {LENGTH_MAX}"));
        } else if lines > LENGTH_LOOK {
            eprintln!("worth a look: {path} has {lines} lines");
        }
    }
    expect_none(&faults);
}

#[test]
fn lines_of_code_are_not_too_wide() {
    let mut faults = Vec::new();
    for (path, text) in files(".rs") {
        // Whether a text goes on in the next line.
        let mut goes_on = false;
        for (number, line) in (1..).zip(text.lines()) {
            let width = line.chars().count();
            let was_going_on = std::mem::replace(&mut goes_on, line.ends_with('\\'));
            // A text or an address cannot always be broken.
            let is_unbroken = was_going_on || goes_on || line.contains('"') || line.contains("://");
            if width > WIDTH_MAX && !is_unbroken {
                faults.push(format!(
                    "{path}:{number}: {width} characters, at most {WIDTH_MAX}"
                ));
            }
        }
    }
    expect_none(&faults);
}

#[test]
fn nothing_is_left_undone() {
    // In two parts, so that this file is not found.
    let leftovers = [
        concat!("todo", "!("),
        concat!("unimplemented", "!("),
        concat!("dbg", "!("),
        concat!("#[igno", "re"),
    ];
    let mut faults = Vec::new();
    for (path, text) in files(".rs") {
        for (number, line) in (1..).zip(text.lines()) {
            let found = leftovers.iter().find(|leftover| line.contains(**leftover));
            faults.extend(found.map(|leftover| format!("{path}:{number}: {leftover}")));
        }
    }
    expect_none(&faults);
}

#[test]
fn no_file_names_a_machine() {
    let paths = [
        concat!("/wo", "rk/"),
        concat!("/tm", "p/wt"),
        concat!("/ro", "ot/"),
        concat!("/ho", "me/"),
    ];
    let mut faults = Vec::new();
    for (path, text) in files("") {
        for (number, line) in (1..).zip(text.lines()) {
            let found = paths.iter().find(|machine| line.contains(**machine));
            faults.extend(found.map(|machine| format!("{path}:{number}: {machine}")));
        }
    }
    expect_none(&faults);
}

#[test]
fn modules_have_no_mod_file() {
    let faults: Vec<String> = files(".rs")
        .into_iter()
        .map(|(path, _)| path)
        .filter(|path| path.ends_with("/mod.rs"))
        .collect();
    expect_none(&faults);
}

#[test]
fn text_files_end_with_one_newline_and_lines_without_blanks() {
    let mut faults = Vec::new();
    for ending in [".rs", ".md", ".toml", ".yml", ".yaml"] {
        for (path, text) in files(ending) {
            if !text.is_empty() && (!text.ends_with('\n') || text.ends_with("\n\n")) {
                faults.push(format!("{path}: does not end with exactly one newline"));
            }
            let trailing = (1..)
                .zip(text.lines())
                .filter(|(_, line)| line.ends_with([' ', '\t']));
            faults
                .extend(trailing.map(|(number, _)| format!("{path}:{number}: ends with a blank")));
        }
    }
    expect_none(&faults);
}
