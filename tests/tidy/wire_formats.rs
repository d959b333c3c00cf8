//! `docs/reference/wire-formats.md` says what the sources say: someone will write another client from it.

use std::path::Path;

use crate::repository::text;

const DOCUMENT: &str = "docs/reference/wire-formats.md";

/// `(name, type)` of a struct's public fields, in order.
fn fields_in_source(source: &str, name: &str) -> Vec<(String, String)> {
    let start = format!("pub struct {name} {{");
    let body = source.split_once(&start).unwrap_or_else(|| panic!("no struct {name}")).1;
    let body = body.split_once("\n}").expect("a struct ends").0;
    let field = |line: &str| {
        let (name, kind) = line.trim().strip_prefix("pub ")?.strip_suffix(',')?.split_once(": ")?;
        Some((name.to_owned(), kind.to_owned()))
    };
    body.lines().filter_map(field).collect()
}

/// The first two columns of the table that follows.
fn fields_in_table(after_marker: &str) -> Vec<(String, String)> {
    let rows = after_marker.lines().skip(3).take_while(|line| line.starts_with('|'));
    let cell = |text: &str| text.trim().trim_matches('`').to_owned();
    rows.map(|row| {
        let mut cells = row.trim_matches('|').split('|');
        (cell(cells.next().unwrap_or_default()), cell(cells.next().unwrap_or_default()))
    })
    .collect()
}

#[test]
fn the_field_tables_of_the_wire_formats_are_those_of_the_sources() {
    let document = text(Path::new(DOCUMENT));
    let mut tables = 0;
    for part in document.split("<!-- fields: ").skip(1) {
        let (marker, table) = part.split_once(" -->\n").expect("a marker ends on its line");
        let (path, name) = marker.split_once(' ').expect("a marker has a path and a struct");
        let table = fields_in_table(&format!("\n{table}"));
        assert_eq!(table, fields_in_source(&text(Path::new(path)), name), "{DOCUMENT}: {name}");
        tables += 1;
    }
    assert!(tables >= 6, "{DOCUMENT} has {tables} field tables");
}

#[test]
fn every_signing_domain_is_in_the_document() {
    let document = text(Path::new(DOCUMENT));
    let source = text(Path::new("metadata/protocol/src/signing/domain.rs"));
    let prefixes = source.split("b\"").skip(1).filter_map(|rest| rest.split('"').next());
    for prefix in prefixes.filter(|prefix| !prefix.is_empty()) {
        assert!(document.contains(prefix), "{DOCUMENT} does not mention the prefix {prefix}");
    }
}
