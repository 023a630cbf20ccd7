//! Where the blocks of Markdown begin and end.
//!
//! Why not a crate: a parser of CommonMark with its entities would be a twentieth of what a browser downloads, and all that
//! chunking asks is where blocks are. The tests compare headings and code with what `pulldown-cmark` finds.

use std::ops::Range;

/// What a block is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// `# …`, or a line that is underlined.
    Heading,
    /// Fenced code, or a table: what is better not cut.
    Whole,
    /// A paragraph, an item of a list, a quotation.
    Other,
}

/// The blocks of `text` in order, by bytes.
pub(crate) fn blocks(text: &str) -> Vec<(Kind, Range<usize>)> {
    let mut blocks: Vec<(Kind, Range<usize>)> = Vec::new();
    // Whether the last block goes on with the next line; is a paragraph, which can be underlined; is indented code.
    let (mut is_open, mut is_paragraph, mut is_code) = (false, false, false);
    let mut lines = lines(text).peekable();
    while let Some((place, line)) = lines.next() {
        let body = line.trim_start();
        // Four spaces are code, and no beginning of anything else.
        let indent = if line.len() - body.len() > 3 { "    " } else { "" };
        if body.trim_end().is_empty() {
            is_open = false;
        } else if let Some(fence) = fence(indent, body) {
            let mut end = place.end;
            for (place, line) in lines.by_ref() {
                end = place.end;
                let line = line.trim();
                if line.len() >= fence.len() && line.bytes().all(|byte| byte == fence.as_bytes()[0]) {
                    break;
                }
            }
            blocks.push((Kind::Whole, place.start..end));
            is_open = false;
        } else if indent.is_empty() && is_heading(body) {
            blocks.push((Kind::Heading, place));
            is_open = false;
        } else if is_open && is_paragraph && indent.is_empty() && is_underline(body) {
            if let Some((kind, range)) = blocks.last_mut() {
                *kind = Kind::Heading;
                range.end = place.end;
            }
            is_open = false;
        } else if body.contains('|') && lines.peek().is_some_and(|(_, next)| is_delimiter_row(next)) {
            let mut end = place.end;
            while let Some((place, _)) = lines.next_if(|(_, line)| line.contains('|')) {
                end = place.end;
            }
            blocks.push((Kind::Whole, place.start..end));
            is_open = false;
        } else if is_open && !is_item(body) && !(is_code && indent.is_empty()) {
            if let Some((_, range)) = blocks.last_mut() {
                range.end = place.end;
            }
        } else {
            blocks.push((Kind::Other, place));
            is_open = true;
            is_code = !indent.is_empty();
            is_paragraph = !is_code && !is_item(body) && !body.starts_with('>');
        }
    }
    blocks
}

/// Each line with its place, line end included.
fn lines(text: &str) -> impl Iterator<Item = (Range<usize>, &str)> {
    text.split_inclusive('\n').scan(0, |start, line| {
        let place = *start..*start + line.len();
        *start = place.end;
        Some((place, line))
    })
}

/// The three or more characters that open a block of code.
fn fence<'a>(indent: &str, body: &'a str) -> Option<&'a str> {
    let mark = body.chars().next().filter(|mark| matches!(mark, '`' | '~') && indent.is_empty())?;
    let len = body.bytes().take_while(|byte| *byte == mark as u8).count();
    // Backticks behind it make it code within a line.
    (len >= 3 && !(mark == '`' && body[len..].contains('`'))).then(|| &body[..len])
}

fn is_heading(body: &str) -> bool {
    let level = body.bytes().take_while(|byte| *byte == b'#').count();
    let behind = body[level..].chars().next();
    (1..=6).contains(&level) && behind.is_none_or(char::is_whitespace)
}

fn is_underline(body: &str) -> bool {
    let line = body.trim_end();
    line.bytes().all(|byte| byte == b'=') || line.bytes().all(|byte| byte == b'-')
}

fn is_delimiter_row(line: &str) -> bool {
    let line = line.trim();
    line.contains('-') && line.contains('|') && line.bytes().all(|byte| b"|:- \t".contains(&byte))
}

fn is_item(body: &str) -> bool {
    let digits = body.bytes().take_while(u8::is_ascii_digit).count();
    let rest = &body[digits..];
    let mark = if digits > 0 { rest.starts_with(['.', ')']) } else { rest.starts_with(['-', '*', '+']) };
    mark && rest[1..].starts_with([' ', '\t'])
}

#[cfg(test)]
mod tests {
    use heatseek_testkit::random;
    use pulldown_cmark::{CodeBlockKind, Event, Parser, Tag};

    use super::*;

    fn shown(text: &str) -> Vec<(Kind, &str)> {
        blocks(text).into_iter().map(|(kind, range)| (kind, text[range].trim_end())).collect()
    }

    #[test]
    fn blocks_are_found() {
        let text = "# One\nText of\nit.\n\nTwo\n===\n- a\n- b\n  more\n1. c\n> said\n\n```rust\n# no heading\n\nx\n```\nTail\n\n\
            | a | b |\n|---|---|\n| 1 | 2 |\nnot a row\n    # code\n";
        use Kind::{Heading, Other, Whole};
        let expected = [
            (Heading, "# One"),
            (Other, "Text of\nit."),
            (Heading, "Two\n==="),
            (Other, "- a"),
            (Other, "- b\n  more"),
            (Other, "1. c\n> said"),
            (Whole, "```rust\n# no heading\n\nx\n```"),
            (Other, "Tail"),
            (Whole, "| a | b |\n|---|---|\n| 1 | 2 |"),
            (Other, "not a row\n    # code"),
        ];
        assert_eq!(shown(text), expected);
        assert_eq!(shown("```\nnever closed\n\n"), [(Whole, "```\nnever closed")]);
        assert_eq!(shown(""), []);
    }

    #[test]
    fn headings_and_code_are_those_of_commonmark() {
        let lines = [
            "# one",
            "## two ##",
            "###three",
            "####### seven",
            "#",
            "words",
            "more `code` words",
            "",
            "",
            "```",
            "```rust",
            "~~~~",
            "~~~",
            "===",
            "    # indented",
        ];
        for seed in 0..400 {
            let chosen = random(seed, 12).into_iter().map(|r| lines[r as usize % lines.len()]);
            let text: String = chosen.flat_map(|line| [line, "\n"]).collect();
            let mut expected = Vec::new();
            for (event, range) in Parser::new(&text).into_offset_iter() {
                match event {
                    Event::Start(Tag::Heading { .. }) => expected.push((Kind::Heading, range.start)),
                    Event::Start(Tag::CodeBlock(CodeBlockKind::Fenced(_))) => {
                        expected.push((Kind::Whole, range.start))
                    }
                    _ => {}
                }
            }
            // Where it begins: `pulldown-cmark` leaves out spaces before it.
            let found = blocks(&text).into_iter().filter(|(kind, _)| *kind != Kind::Other);
            let found: Vec<_> = found.map(|(kind, range)| (kind, range.start)).collect();
            assert_eq!(found, expected, "{text}");
        }
    }
}
