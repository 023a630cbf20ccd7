//! Identifiers of the C++ from those of the WGSL.
//!
//! Each is the WGSL name, a letter for what it names and naga's index: `row` becomes `row_e12`. So none is said twice,
//! whatever shadows what in WGSL, and none is a keyword of C++ or a name of the prelude, which have no such ending.

/// What is named: the letter.
#[derive(Clone, Copy)]
pub(crate) enum Kind {
    Argument = 'a' as isize,
    Expression = 'e' as isize,
    Function = 'f' as isize,
    Global = 'g' as isize,
    Local = 'l' as isize,
    Member = 'm' as isize,
    Struct = 't' as isize,
}

/// The identifier of the `index`-th thing of this kind. WGSL's names may have letters that C++ does not take everywhere.
pub(crate) fn identifier(name: Option<&str>, kind: Kind, index: usize) -> String {
    let kind = kind as u8 as char;
    let plain = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
    let name: String = name.unwrap_or_default().chars().map(plain).collect();
    // Names with two underscores in a row, or that begin with one, are the compiler's.
    let parts: Vec<&str> = name.split('_').filter(|part| !part.is_empty()).collect();
    match parts.join("_") {
        name if name.is_empty() => format!("{kind}{index}"),
        name if name.starts_with(|c: char| c.is_ascii_digit()) => format!("{kind}_{name}_{kind}{index}"),
        name => format!("{name}_{kind}{index}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_told_apart_by_kind_and_index() {
        assert_eq!(identifier(Some("row"), Kind::Local, 3), "row_l3");
        assert_eq!(identifier(Some("row"), Kind::Expression, 3), "row_e3");
        assert_eq!(identifier(None, Kind::Expression, 12), "e12");
    }

    #[test]
    fn letters_and_underscores_that_are_not_ours_go() {
        assert_eq!(identifier(Some("_x__y_"), Kind::Global, 0), "x_y_g0");
        assert_eq!(identifier(Some("größe"), Kind::Member, 1), "gr_e_m1");
        assert_eq!(identifier(Some("_0"), Kind::Local, 1), "l_0_l1");
        assert_eq!(identifier(Some("float"), Kind::Local, 1), "float_l1");
    }
}
