//! As much of Markdown as the documents use.

/// The lines of each fenced block, with its language.
pub(super) fn blocks(text: &str) -> Vec<(String, Vec<String>)> {
    let mut blocks: Vec<(String, Vec<String>)> = Vec::new();
    let mut is_inside = false;
    for line in text.lines() {
        match line.strip_prefix("```") {
            Some(_) if is_inside => is_inside = false,
            Some(language) => {
                is_inside = true;
                blocks.push((language.to_owned(), Vec::new()));
            }
            None if is_inside => blocks.last_mut().unwrap().1.push(line.to_owned()),
            None => {}
        }
    }
    blocks
}

/// The text without its fenced blocks.
pub(super) fn prose(text: &str) -> String {
    let mut prose = String::new();
    let mut is_inside = false;
    for line in text.lines() {
        if line.starts_with("```") {
            is_inside = !is_inside;
        } else if !is_inside {
            prose.push_str(line);
            prose.push('\n');
        }
    }
    prose
}

/// Code within sentences: what stands between backticks.
pub(super) fn spans(text: &str) -> Vec<String> {
    let prose = prose(text).replace('\n', " ");
    prose
        .split('`')
        .skip(1)
        .step_by(2)
        .map(str::to_owned)
        .collect()
}

/// Targets of links.
pub(super) fn links(text: &str) -> Vec<String> {
    let prose = prose(text);
    let parts = prose.split("](").skip(1);
    parts
        .filter_map(|part| part.split_once(')'))
        .map(|(target, _)| target.to_owned())
        .collect()
}

/// The anchors of a page's headings: lower case, blanks as hyphens, punctuation left out.
pub(super) fn anchors(text: &str) -> Vec<String> {
    let prose = prose(text);
    let headings = prose.lines().filter(|line| line.starts_with('#'));
    headings
        .map(|heading| {
            let title = heading.trim_start_matches('#').trim().to_lowercase();
            let kept = title
                .chars()
                .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
            kept.map(|c| if c == ' ' { '-' } else { c }).collect()
        })
        .collect()
}

#[test]
fn the_parts_of_a_page_are_told_apart() {
    let page = "# A `b` c!\n\nsee [x](y.md#z) and `d e`\n\n```sh\nmake `f` [g](h)\n```\n";
    assert_eq!(
        blocks(page),
        [("sh".to_owned(), vec!["make `f` [g](h)".to_owned()])]
    );
    assert_eq!(spans(page), ["b", "d e"]);
    assert_eq!(links(page), ["y.md#z"]);
    assert_eq!(anchors(page), ["a-b-c"]);
}
