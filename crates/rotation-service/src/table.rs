//! Tables for a terminal.

/// The width that tables keep to, in columns.
pub(crate) const WIDTH: usize = 120;

/// How a column stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Align {
    /// Text.
    Left,
    /// Numbers.
    Right,
}

/// A row, and what is said of it on the lines below.
#[derive(Clone, Debug, Default)]
pub(crate) struct Row {
    pub(crate) cells: Vec<String>,
    pub(crate) below: Vec<String>,
}

impl From<Vec<String>> for Row {
    fn from(cells: Vec<String>) -> Self {
        Row {
            cells,
            below: Vec::new(),
        }
    }
}

/// Lines with columns padded to their widest cell. Where the whole is wider than [`WIDTH`], the first column gives way.
pub(crate) fn lines(columns: &[(&str, Align)], rows: &[Row]) -> Vec<String> {
    let mut widths: Vec<usize> = columns.iter().map(|(name, _)| length(name)).collect();
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(&row.cells) {
            *width = (*width).max(length(cell));
        }
    }
    let total: usize = widths.iter().sum::<usize>() + GAP.len() * widths.len().saturating_sub(1);
    if let Some(first) = widths.first_mut() {
        *first = first
            .saturating_sub(total.saturating_sub(WIDTH))
            .max(FIRST_MIN.min(*first));
    }
    let head = columns.iter().map(|(name, _)| (*name).to_owned()).collect();
    let mut lines = vec![line(columns, &widths, head)];
    for row in rows {
        lines.push(line(columns, &widths, row.cells.clone()));
        for text in &row.below {
            lines.extend(wrapped(text, INDENT));
        }
    }
    lines
}

const GAP: &str = "  ";
const INDENT: &str = "    ";
const FIRST_MIN: usize = 12;

fn length(text: &str) -> usize {
    text.chars().count()
}

fn line(columns: &[(&str, Align)], widths: &[usize], cells: Vec<String>) -> String {
    let padded = cells.into_iter().zip(columns).zip(widths);
    let padded = padded.map(|((cell, (_, align)), width)| {
        let cell = cut(cell, *width);
        match align {
            Align::Left => format!("{cell:<width$}"),
            Align::Right => format!("{cell:>width$}"),
        }
    });
    padded.collect::<Vec<_>>().join(GAP).trim_end().to_owned()
}

fn cut(text: String, width: usize) -> String {
    if length(&text) <= width {
        return text;
    }
    let kept: String = text.chars().take(width.saturating_sub(1)).collect();
    format!("{kept}…")
}

/// A sentence broken between words, each line with an indent.
pub(crate) fn wrapped(text: &str, indent: &str) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(last) if length(last) + 1 + length(word) <= WIDTH => {
                last.push(' ');
                last.push_str(word);
            }
            _ => lines.push(format!("{indent}{word}")),
        }
    }
    lines
}

/// A number with as many decimals as tell it, six digits at most where it has a fraction.
pub(crate) fn short(value: f64) -> String {
    crate::report::short(value)
}

/// The same with four digits, for readings in narrow columns; all those of a whole number.
pub(crate) fn brief(value: f64) -> String {
    let whole = value.abs().max(1e-6).log10().floor() as i32;
    let scale = 10_f64.powi((3 - whole).max(0));
    short((value * scale).round() / scale)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn brief_numbers_keep_four_digits() {
        let cases = [
            (0.798_533, "0.7985"),
            (2_718.77, "2719"),
            (12_345.6, "12346"),
            (-3.8246, "-3.825"),
            (4.17, "4.17"),
            (0.0, "0"),
        ];
        for (value, expected) in cases {
            assert_eq!(brief(value), expected);
        }
    }

    const COLUMNS: [(&str, Align); 3] = [
        ("rule", Align::Left),
        ("reading", Align::Right),
        ("unit", Align::Left),
    ];

    fn row(cells: [&str; 3]) -> Row {
        cells.map(str::to_owned).to_vec().into()
    }

    #[test]
    fn numbers_stand_to_the_right_and_nothing_trails() {
        let rows = [row(["a", "1.5", "x"]), row(["bcdef", "12", ""])];
        assert_eq!(
            lines(&COLUMNS, &rows),
            [
                "rule   reading  unit",
                "a          1.5  x",
                "bcdef       12"
            ]
        );
    }

    #[test]
    fn a_wide_table_cuts_its_first_column_and_wraps_what_is_below() {
        let name = "r".repeat(150);
        let mut wide = row([&name, "1", "percent"]);
        wide.below = vec!["word ".repeat(40)];
        let lines = lines(&COLUMNS, &[wide]);
        assert_eq!(length(&lines[1]), WIDTH);
        assert!(lines[1].contains("r…  "), "{}", lines[1]);
        assert_eq!(lines.len(), 4);
        assert!(lines.iter().all(|line| length(line) <= WIDTH), "{lines:#?}");
        assert!(lines[2].starts_with("    word word"));
    }
}
