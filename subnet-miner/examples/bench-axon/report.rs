//! The result, as tables or as JSON.

use serde::Serialize;

use crate::admission::Admission;
use crate::flood::Flood;
use crate::floor::Floor;
use crate::http::Http;

#[derive(Default, Serialize)]
pub struct Report {
    pub floor: Floor,
    pub admission: Vec<Admission>,
    pub http: Vec<Http>,
    pub flood: Vec<Flood>,
}

impl Report {
    pub fn print(&self, json: bool) {
        if json {
            println!("{}", serde_json::to_string(self).unwrap());
            return;
        }
        let Floor { threads, one, all, batch_one, batch_all } = &self.floor;
        println!("signatures verified each second: {one:.0} on one thread, {all:.0} on {threads}");
        println!("64 of one key together: {batch_one:.0} on one thread, {batch_all:.0} on {threads}");
        println!(
            "a request has two, so one by one {:.0} requests/s are the floor of {threads} threads",
            all / 2.0
        );
        if !self.admission.is_empty() {
            println!("\nadmission without a wire  threads  requests/s  cpu us each  of the floor  others");
        }
        for Admission { what, threads, requests_per_s, cpu_us_each, floor_percent, others_percent } in
            &self.admission
        {
            let others = percent(*others_percent);
            println!(
                "{what:<24} {threads:>8} {requests_per_s:>11.0} {cpu_us_each:>12.1} {floor_percent:>11.0} % {others:>7}"
            );
        }
        if !self.http.is_empty() {
            println!(
                "\nover HTTP                   connections  requests/s  p50 us  p99 us  axon cpu us  load cpu us  of the floor  others"
            );
        }
        for Http {
            what,
            connections,
            requests_per_s,
            p50_us,
            p99_us,
            axon_us_each,
            load_us_each,
            floor_percent,
            others_percent,
        } in &self.http
        {
            let others = percent(*others_percent);
            println!(
                "{what:<27} {connections:>11} {requests_per_s:>11.0} {p50_us:>7} {p99_us:>7} {axon_us_each:>12.1} {load_us_each:>12.1} {floor_percent:>11.0} % {others:>7}"
            );
        }
        if !self.flood.is_empty() {
            println!(
                "\nflood          limits                   sent/s  axon, of a core  good p50 us  good p99 us  good answered  others  statuses"
            );
        }
        for Flood {
            kind,
            limits,
            sent_per_s,
            core_percent,
            good_p50_us,
            good_p99_us,
            good_answered,
            good_asked,
            statuses,
            others_percent,
        } in &self.flood
        {
            let others = percent(*others_percent);
            let answered = format!("{good_answered} of {good_asked}");
            println!(
                "{kind:<14} {limits:<23} {sent_per_s:>7.0} {core_percent:>14.1} % {good_p50_us:>12} {good_p99_us:>12} {answered:>14} {others:>7}  {statuses:?}"
            );
        }
    }
}

fn percent(of: Option<u64>) -> String {
    of.map_or_else(|| "?".to_owned(), |percent| format!("{percent} %"))
}
