//! Columns of text for people.

/// Rows under a head, each column as wide as its widest cell. Numbers stand right, the rest left.
pub(super) fn table(head: &[&str], rows: &[Vec<String>]) -> Vec<String> {
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).chain([head[column].len()]).max().unwrap_or_default()
    };
    let widths: Vec<usize> = (0..head.len()).map(width).collect();
    let is_number =
        |cell: &str| !cell.is_empty() && cell.chars().all(|char| char.is_ascii_digit() || char == '.');
    let right: Vec<bool> = (0..head.len())
        .map(|column| {
            rows.iter().filter_map(|row| row.get(column)).all(|cell| is_number(cell) || cell == "-")
        })
        .collect();
    let line = |cells: &mut dyn Iterator<Item = &str>| {
        let cells = cells.zip(widths.iter().zip(&right)).map(|(cell, (width, right))| match right {
            true => format!("{cell:>width$}"),
            false => format!("{cell:<width$}"),
        });
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    let head = line(&mut head.iter().copied());
    let rows = rows.iter().map(|row| line(&mut row.iter().map(String::as_str)));
    std::iter::once(head).chain(rows).collect()
}

/// Names and values, the values under each other.
pub(super) fn pairs(pairs: &[(&str, String)]) -> Vec<String> {
    let width = pairs.iter().map(|(name, _)| name.len()).max().unwrap_or_default();
    pairs.iter().map(|(name, value)| format!("{name:<width$}  {value}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_stand_right_and_texts_left() {
        let rows = [["1", "Zoë", "0.5"], ["23", "b", "-"]].map(|row| row.map(str::to_owned).to_vec());
        let expected = ["uid  name  share", "  1  Zoë     0.5", " 23  b         -"];
        assert_eq!(table(&["uid", "name", "share"], &rows), expected);
    }

    #[test]
    fn values_stand_under_each_other() {
        assert_eq!(pairs(&[("a", "1".into()), ("long", "2".into())]), ["a     1", "long  2"]);
    }

    #[test]
    fn an_empty_table_is_its_head() {
        assert_eq!(table(&["a", "b"], &[]), ["a  b"]);
    }
}
