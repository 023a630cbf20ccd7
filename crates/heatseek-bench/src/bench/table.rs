//! Rows of cells as aligned text and as Markdown.

use std::fmt::Write;

/// A table; the first row is its header. Text columns come first.
pub struct Table {
    rows: Vec<Vec<String>>,
    text_columns: usize,
}

impl Table {
    pub fn new(text_columns: usize, header: &[&str]) -> Self {
        Self { rows: vec![header.iter().map(|cell| (*cell).to_owned()).collect()], text_columns }
    }

    pub fn push(&mut self, cells: Vec<String>) {
        self.rows.push(cells);
    }

    pub fn is_empty(&self) -> bool {
        self.rows.len() < 2
    }

    /// The columns in which some row has something, so that what nobody asked for takes no room.
    fn columns(&self) -> Vec<usize> {
        let filled = |column: &usize| self.rows.iter().skip(1).any(|row| !row[*column].is_empty());
        (0..self.rows[0].len()).filter(filled).collect()
    }

    /// For terminals.
    pub fn text(&self) -> String {
        let columns = self.columns();
        let width =
            |&column: &usize| self.rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
        let widths: Vec<usize> = columns.iter().map(width).collect();
        let mut text = String::new();
        for row in &self.rows {
            for (at, (&column, width)) in columns.iter().zip(&widths).enumerate() {
                let (gap, cell) = (if at == 0 { "" } else { "  " }, &row[column]);
                let _ = match column < self.text_columns {
                    true => write!(text, "{gap}{cell:<width$}"),
                    false => write!(text, "{gap}{cell:>width$}"),
                };
            }
            text.truncate(text.trim_end().len());
            text.push('\n');
        }
        text
    }

    /// For readers.
    pub fn markdown(&self) -> String {
        let columns = self.columns();
        let mut text = String::new();
        for (at, row) in self.rows.iter().enumerate() {
            let cells: Vec<&str> = columns.iter().map(|&column| &*row[column]).collect();
            let _ = writeln!(text, "| {} |", cells.join(" | "));
            if at == 0 {
                let rule = |&column: &usize| if column < self.text_columns { " --- |" } else { " ---: |" };
                let _ = writeln!(text, "|{}", columns.iter().map(rule).collect::<String>());
            }
        }
        text
    }
}

/// Milliseconds with about three figures.
pub fn figures(value: f64) -> String {
    match value.abs() {
        v if !v.is_finite() => "–".into(),
        v if v >= 100.0 => format!("{value:.0}"),
        v if v >= 10.0 => format!("{value:.1}"),
        v if v >= 0.1 => format!("{value:.2}"),
        _ => format!("{value:.3}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_markdown_has_a_rule_and_empty_columns_are_left_out() {
        let mut table = Table::new(1, &["case", "peer", "ms"]);
        table.push(vec!["1x16".into(), String::new(), figures(123.4)]);
        table.push(vec!["a".into(), String::new(), figures(0.0421)]);
        assert_eq!(table.text(), "case     ms\n1x16    123\na     0.042\n");
        assert!(table.markdown().starts_with("| case | ms |\n| --- | ---: |\n| 1x16 | 123 |\n"));
    }
}
