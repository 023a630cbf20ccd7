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

    /// For terminals.
    pub fn text(&self) -> String {
        let mut widths = vec![0; self.rows[0].len()];
        for row in &self.rows {
            widths.iter_mut().zip(row).for_each(|(width, cell)| *width = cell.chars().count().max(*width));
        }
        let mut text = String::new();
        for row in &self.rows {
            for (at, (cell, width)) in row.iter().zip(&widths).enumerate() {
                let gap = if at == 0 { "" } else { "  " };
                let _ = match at < self.text_columns {
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
        let mut text = String::new();
        for (at, row) in self.rows.iter().enumerate() {
            let _ = writeln!(text, "| {} |", row.join(" | "));
            if at == 0 {
                let rule = |column| if column < self.text_columns { " --- |" } else { " ---: |" };
                let _ = writeln!(text, "|{}", (0..row.len()).map(rule).collect::<String>());
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
    fn columns_are_aligned_and_markdown_has_a_rule() {
        let mut table = Table::new(1, &["case", "ms"]);
        table.push(vec!["1x16".into(), figures(123.4)]);
        table.push(vec!["a".into(), figures(0.0421)]);
        assert_eq!(table.text(), "case     ms\n1x16    123\na     0.042\n");
        assert!(table.markdown().starts_with("| case | ms |\n| --- | ---: |\n| 1x16 | 123 |\n"));
    }
}
