/// Indented text.
#[derive(Default)]
pub(crate) struct Lines {
    text: String,
    depth: usize,
}

impl Lines {
    pub(crate) fn line(&mut self, line: &str) {
        self.text.extend(std::iter::repeat_n("    ", self.depth));
        self.text.push_str(line);
        self.text.push('\n');
    }

    /// A line after which lines are one step deeper.
    pub(crate) fn open(&mut self, line: &str) {
        self.line(line);
        self.depth += 1;
    }

    /// A line that ends what the last [`open`](Self::open) began.
    pub(crate) fn close(&mut self, line: &str) {
        self.depth -= 1;
        self.line(line);
    }

    /// A line between two parts of the same depth, such as `} else {`.
    pub(crate) fn turn(&mut self, line: &str) {
        self.close(line);
        self.depth += 1;
    }

    pub(crate) fn into_text(self) -> String {
        self.text
    }
}
