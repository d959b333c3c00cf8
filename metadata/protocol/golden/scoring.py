#!/usr/bin/env python3
"""Scores one scenario with exact fractions, independently of the Rust code, and prints golden/scoring.json.

Run `python3 golden/scoring.py > golden/scoring.json`; the crate's tests compare its table with theirs, row by row.
"""

import json
from fractions import Fraction
from math import floor

HOUR_MS = 3_600_000
POLICY = {"compute_bps": 5500, "invocations_bps": 2500, "unique_models_bps": 1500, "bounties_bps": 500, "window_hours": 168,
          "payer_share_max_bps": 2500, "payer_excess_bps": 5000, "ramp_hours": 4}
WINDOW_END_MS = 1_752_076_800_000 + 1_800_000
# Hotkeys in their order as bytes: Eve 0xe659.., Bob 0x8eaf.., Charlie 0x90b5.., Dave 0x306721..
MINERS = {"Bob": "8eaf", "Charlie": "90b5", "Dave": "3067", "Eve": "e659"}
# Charlie and Dave have one owner.
COLDKEYS = {"Bob": "Bob//cold", "Charlie": "Alice", "Dave": "Alice", "Eve": "Eve//cold"}
MODELS = {
    "SmolLM2-135M-Instruct": {"prompt": 100, "completion": 400, "mib": 100},
    "org/large-7b": {"prompt": 1000, "completion": 3000, "mib": 1024},
}
PROMPT_TOKENS = 31


def calls():
    """A fixed linear congruential sequence; Eve serves little, Dave breadth, Bob volume, Charlie both. Ferdie is gone."""
    state = 12345
    made = []
    for number in range(120):
        draws = []
        for _ in range(6):
            state = (state * 1103515245 + 12345) % 2**31
            draws.append(state >> 16)
        miner = ["Bob", "Bob", "Bob", "Charlie", "Charlie", "Dave", "Eve", "Ferdie"][draws[0] % 8]
        large = draws[1] % (2 if miner in ("Charlie", "Dave") else 7) == 0
        kind = ["chat", "completion", "embedding", "probe", "bounty_claim"][min(draws[2] % 12, 4) if draws[2] % 12 < 5 else 0]
        made.append({
            "sequence": number,
            "miner": miner,
            "model": "org/large-7b" if large else "SmolLM2-135M-Instruct",
            "kind": kind,
            "issued_at_ms": WINDOW_END_MS - 1 - (draws[3] * 32768 + draws[4]) % (200 * HOUR_MS),
            "completion_tokens": draws[5] % 500,
            # Most calls are paid by few.
            "payer": (draws[5] // 500) % 7 if draws[2] % 3 else 9,
        })
    return made


def damped(of_payer):
    """The sum, in which what a payer brings beyond its share of it counts for less."""
    whole = sum(of_payer.values())
    share = floor(Fraction(whole * POLICY["payer_share_max_bps"], 10_000))
    excess = sum(max(0, part - share) for part in of_payer.values())
    return whole - floor(Fraction(excess * (10_000 - POLICY["payer_excess_bps"]), 10_000))


def breadth_of(miner, tallies):
    """Over the model-hours a miner served: memory, by how many of the last hours it was served in, shared within an owner."""
    ramp, total = POLICY["ramp_hours"], 0
    siblings = [other for other in tallies if COLDKEYS[other] == COLDKEYS[miner]]
    for hour, model in tallies[miner]["served"]:
        kept = sum((earlier, model) in tallies[miner]["served"] for earlier in range(hour - ramp + 1, hour + 1))
        sharing = sum((hour, model) in tallies[other]["served"] for other in siblings)
        total += floor(Fraction(MODELS[model]["mib"] * 1000 * kept, ramp * sharing))
    return total


def table(made):
    hours = POLICY["window_hours"]
    start = (-(-WINDOW_END_MS // HOUR_MS) - hours) * HOUR_MS
    tallies = {miner: {"compute": {}, "invocations": {}, "bounties": 0, "served": set()} for miner in MINERS}
    for call in made:
        if not start <= call["issued_at_ms"] < WINDOW_END_MS or call["miner"] not in tallies:
            continue
        tally, model = tallies[call["miner"]], MODELS[call["model"]]
        if call["kind"] == "bounty_claim":
            tally["bounties"] += 1
            continue
        payer, units = call["payer"], PROMPT_TOKENS * model["prompt"] + call["completion_tokens"] * model["completion"]
        tally["invocations"][payer] = tally["invocations"].get(payer, 0) + 1000
        tally["compute"][payer] = tally["compute"].get(payer, 0) + units
        tally["served"].add((call["issued_at_ms"] // HOUR_MS, call["model"]))
    order = sorted(MINERS, key=MINERS.get)
    breadth = {miner: breadth_of(miner, tallies) // hours for miner in order}
    some = sorted(value for value in breadth.values() if value)
    middle = len(some) // 2
    median = 0 if not some else some[middle] if len(some) % 2 else (some[middle - 1] + some[middle]) // 2
    stepped = {miner: value * value // median if median and value > median else value for miner, value in breadth.items()}
    terms = [
        [damped(tallies[miner]["compute"]) for miner in order],
        [damped(tallies[miner]["invocations"]) for miner in order],
        [stepped[miner] for miner in order],
        [tallies[miner]["bounties"] for miner in order],
    ]
    bps = [POLICY[key] for key in ("compute_bps", "invocations_bps", "unique_models_bps", "bounties_bps")]
    active = sum(weight for weight, values in zip(bps, terms) if sum(values))
    weighted = [
        [floor(Fraction(values[index] * 10**18, sum(values))) * weight if sum(values) else 0 for weight, values in zip(bps, terms)]
        for index in range(len(order))
    ]
    total = sum(map(sum, weighted))
    exact = [Fraction(sum(row) * 10_000, total) for row in weighted]
    points = [floor(quota) for quota in exact]
    left = 10_000 - sum(points)
    for index in sorted(range(len(order)), key=lambda index: (-(exact[index] - points[index]), index))[:left]:
        points[index] += 1
    return start, [
        {
            "miner": miner,
            "coldkey": COLDKEYS[miner],
            "compute_units": sum(tallies[miner]["compute"].values()),
            "compute_units_counted": damped(tallies[miner]["compute"]),
            "invocations": sum(tallies[miner]["invocations"].values()) // 1000,
            "invocations_counted": damped(tallies[miner]["invocations"]),
            "unique_models": breadth[miner],
            "bounties": tallies[miner]["bounties"],
            "term_bps": [floor(Fraction(term * 10_000, active * 10**18)) for term in weighted[index]],
            "basis_points": points[index],
        }
        for index, miner in enumerate(order)
    ]


if __name__ == "__main__":
    made = calls()
    start, rows = table(made)
    print(json.dumps({"window_start_ms": start, "window_end_ms": WINDOW_END_MS, "calls": made, "rows": rows}, indent=1))
