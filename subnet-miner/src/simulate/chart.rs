//! A comparison as a picture: what was earned over time, one line for each rule.

use std::fmt::Write as _;

use super::{Comparison, Outcome};

const WIDTH: u64 = 720;
const HEIGHT: u64 = 360;
const LEFT: u64 = 64;
const TOP: u64 = 40;
const BOTTOM: u64 = 44;
const RIGHT: u64 = 150;
/// Points of a line; more would not be seen.
const POINTS: usize = 240;

/// An SVG that is readable on light and dark pages.
#[must_use]
pub fn chart(comparison: &Comparison, step_ms: u64) -> String {
    let lines = [
        ("optimum", "#8a8f98", &comparison.optimum),
        ("strategist", "#0a7d53", &comparison.strategist),
        ("one by one", "#c2571a", &comparison.one_by_one),
    ];
    let most = lines.iter().map(|(_, _, outcome)| outcome.total()).max().unwrap_or(0).max(1);
    let steps = comparison.optimum.earned.len().max(2);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" font-family=\"system-ui, sans-serif\" font-size=\"13\">\n\
         <rect width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"#ffffff\"/>\n\
         <text x=\"{LEFT}\" y=\"24\" font-size=\"15\" font-weight=\"600\" fill=\"#1b1f24\">Earned on the trace {}</text>\n",
        comparison.trace
    );
    let (right, bottom) = (WIDTH - RIGHT, HEIGHT - BOTTOM);
    for quarter in 0..=4 {
        let y = bottom - (bottom - TOP) * quarter / 4;
        let units = most / 1_000 * quarter / 4;
        let _ = writeln!(
            svg,
            "<path d=\"M{LEFT} {y}H{right}\" stroke=\"#e3e6ea\"/><text x=\"{}\" y=\"{}\" text-anchor=\"end\" fill=\"#57606a\">{}</text>",
            LEFT - 8,
            y + 4,
            short(units)
        );
    }
    let hours = steps as u64 * step_ms / 3_600_000;
    for quarter in 0..=4 {
        let x = LEFT + (right - LEFT) * quarter / 4;
        let _ = writeln!(
            svg,
            "<text x=\"{x}\" y=\"{}\" text-anchor=\"middle\" fill=\"#57606a\">{} h</text>",
            bottom + 18,
            hours * quarter / 4
        );
    }
    let mut ends: Vec<u64> = Vec::new();
    for (name, colour, outcome) in lines {
        let end = outcome.total();
        let _ = writeln!(
            svg,
            "<path d=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>",
            path(outcome, steps, most, (right, bottom))
        );
        // Labels of lines that end together stand below each other.
        let mut y = height(end, most, bottom) / 10 + 4;
        while let Some(near) = ends.iter().find(|near| near.abs_diff(y) < 17) {
            y = near + 17;
        }
        ends.push(y);
        let percent = u128::from(end) * 1_000 / u128::from(comparison.optimum.total().max(1));
        let _ = writeln!(
            svg,
            "<text x=\"{}\" y=\"{y}\" fill=\"{colour}\">{name} {}.{} %</text>",
            right + 8,
            percent / 10,
            percent % 10
        );
    }
    svg.push_str("<text x=\"8\" y=\"24\" fill=\"#57606a\" font-size=\"11\">units</text>\n</svg>\n");
    svg
}

fn path(outcome: &Outcome, steps: usize, most: u64, (right, bottom): (u64, u64)) -> String {
    let mut path = String::new();
    let points = POINTS.min(steps);
    for point in 0..points {
        let step = point * (steps - 1) / (points - 1).max(1);
        let x = LEFT * 10 + (right - LEFT) * 10 * step as u64 / (steps as u64 - 1);
        let y = height(outcome.earned.get(step).copied().unwrap_or(0), most, bottom);
        let _ =
            write!(path, "{}{}.{} {}.{}", if point == 0 { "M" } else { "L" }, x / 10, x % 10, y / 10, y % 10);
    }
    path
}

/// Tenths of a pixel from the top.
fn height(earned: u64, most: u64, bottom: u64) -> u64 {
    let tall = u128::from(bottom - TOP) * 10;
    let up = u128::from(earned) * tall / u128::from(most);
    bottom * 10 - u64::try_from(up.min(tall)).unwrap_or(0)
}

fn short(units: u64) -> String {
    match units {
        0..10_000 => units.to_string(),
        10_000..10_000_000 => format!("{}k", units / 1_000),
        _ => format!("{}M", units / 1_000_000),
    }
}
