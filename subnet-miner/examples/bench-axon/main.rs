//! What it costs an axon to let a request in, and to keep one out.
//!
//! Three measurements, each beside its floor, which is measured in the same run: the signatures that a core verifies each second, two of
//! which a request has (its own and its ticket's).
//!
//! - `admission`: the whole path from headers to a used-up ticket, without a wire, on one thread and on several.
//! - `http`: the same over loopback connections that are kept alive. A chat for a model that the axon does not hold is admitted whole
//!   and then refused; one for a model that echoes is answered, with a receipt on disk.
//! - `flood`: invalid requests from one address at a steady rate, and how long a good caller at another address waits meanwhile.
//!
//! The load runs on threads of its own, whose processor time is told apart from the axon's. What goes on is said on stderr; stdout has
//! the result only.
#![allow(clippy::unwrap_used, reason = "a benchmark fails by panicking")]
#![allow(clippy::print_stdout, reason = "it prints its result")]

mod admission;
mod cast;
mod cpu;
mod flood;
mod floor;
mod host;
mod http;
#[path = "../../../subnet-validator/examples/bench-gateway/machine.rs"]
mod machine;
mod report;
mod wire;

use std::time::Duration;

use clap::{Parser, ValueEnum};

use self::cast::{Cast, Make};
use self::host::Host;
use self::report::Report;

#[derive(Parser)]
#[command(about = "Measures what it costs an axon to admit requests, and to refuse them.")]
struct Options {
    /// What to measure, separated by commas.
    #[arg(long, value_enum, default_value = "admission,http,flood", value_delimiter = ',')]
    parts: Vec<Part>,
    /// Threads of the axon.
    #[arg(long, default_value_t = 2)]
    threads: usize,
    /// Requests of each measurement of admission and http.
    #[arg(long, default_value_t = 50_000)]
    requests: usize,
    /// Connections of the http measurement.
    #[arg(long, default_value_t = 64)]
    connections: usize,
    /// Invalid requests per second of the flood.
    #[arg(long, default_value_t = 10_000)]
    rate: u32,
    /// Seconds of each flood.
    #[arg(long, default_value_t = 5)]
    seconds: u32,
    /// The short form: a tenth of the requests, floods of two seconds.
    #[arg(long, conflicts_with_all = ["requests", "seconds"])]
    short: bool,
    /// One JSON object instead of tables.
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    /// Admission without a wire.
    Admission,
    /// Admission over loopback connections.
    Http,
    /// Invalid requests.
    Flood,
}

fn main() {
    let options = Options::parse();
    let (requests, seconds) =
        if options.short { (options.requests / 10, 2) } else { (options.requests, options.seconds) };
    let has = |part| options.parts.contains(&part);
    let threads = options.threads.max(1);
    let mut report = Report { floor: floor::measure(threads), ..Report::default() };

    if has(Part::Admission) {
        let counts = if threads == 1 { vec![1] } else { vec![1, threads] };
        for (threads, forged) in counts.into_iter().flat_map(|threads| [(threads, false), (threads, true)]) {
            say(&format!(
                "{requests} requests admitted by {threads} threads, without a wire{}",
                if forged { ", forged ones among them" } else { "" }
            ));
            report.admission.push(admission::measure(threads, requests, forged, &report.floor));
        }
    }
    if has(Part::Http) {
        let asked: [(&'static str, Make, u16); 2] = [
            ("admitted, no such model", Cast::chat, 404),
            ("answered, receipt on disk", Cast::answered, 200),
        ];
        for (what, make, status) in asked {
            say(&format!("{requests} requests over {} connections: {what}", options.connections));
            let run = http::Run { what, make, status, requests, connections: options.connections };
            report.http.push(run.measure(threads, &report.floor));
        }
    }
    if has(Part::Flood) {
        let wait = Duration::from_secs(seconds.into());
        for limited in [true, false] {
            let host =
                Host::start(threads, if limited { host::Limited::AsConfigured } else { host::Limited::No });
            for kind in flood::Kind::ALL {
                // One with and one without: nobody's limits change what no flood does.
                if kind == flood::Kind::None && !limited {
                    continue;
                }
                say(&format!(
                    "{} requests/s for {seconds} s: {}, {}",
                    options.rate,
                    kind.name(),
                    limited_name(limited)
                ));
                report.flood.push(flood::measure(&host, kind, options.rate, wait, limited_name(limited)));
            }
        }
    }
    report.print(options.json);
}

fn limited_name(limited: bool) -> &'static str {
    if limited { "limits as configured" } else { "no limit for an address" }
}

/// Tells who waits what goes on.
fn say(what: &str) {
    eprintln!("bench-axon: {what}");
}
