//! The table that people read: one row per scenario and target, medians over the rounds.

use std::fmt::Write as _;

use super::report::Row;

const TITLES: [&str; 8] =
    ["scenario", "target", "CPU µs/request", "× pass-through", "requests/s", "p50 µs", "p99 µs", "errors"];
/// Columns of words, which are aligned left.
const WORDS: usize = 2;

/// An aligned table that is also valid Markdown.
pub(crate) fn render(rows: &[Row]) -> String {
    aligned(&TITLES, WORDS, rows.iter().map(cells_of).collect())
}

/// The same for any cells, of which the first `words` of each line are words and the others figures.
pub(crate) fn aligned<const N: usize>(titles: &[&str; N], words: usize, lines: Vec<[String; N]>) -> String {
    let mut cells = vec![titles.map(str::to_owned)];
    cells.extend(lines);
    let width = |column: usize| {
        let lengths = cells.iter().filter_map(|row| row.get(column));
        lengths.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..N).map(width).collect();
    let mut out = String::new();
    for (line, row) in cells.iter().enumerate() {
        for (column, (cell, width)) in row.iter().zip(&widths).enumerate() {
            // Writing to a String cannot fail.
            let _ = if column < words { write!(out, "| {cell:<width$} ") } else { write!(out, "| {cell:>width$} ") };
        }
        out.push_str("|\n");
        if line == 0 {
            for (column, width) in widths.iter().enumerate() {
                let dashes = "-".repeat(width + 1);
                let _ = if column < words { write!(out, "|{dashes}-") } else { write!(out, "|{dashes}:") };
            }
            out.push_str("|\n");
        }
    }
    out
}

fn cells_of(row: &Row) -> [String; TITLES.len()] {
    [
        row.scenario.to_owned(),
        row.target.to_owned(),
        format!("{:.1}", row.median.cpu_us_per_request),
        row.ratio_to_passthrough.map_or_else(|| "-".to_owned(), |ratio| format!("{ratio:.2}")),
        format!("{:.0}", row.median.requests_per_s),
        format!("{:.0}", row.median.latency.p50_us),
        format!("{:.0}", row.median.latency.p99_us),
        row.errors.to_string(),
    ]
}

#[cfg(test)]
mod tests;
