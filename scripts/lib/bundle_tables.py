"""Compares the partitions of a folder of bundles, read by DuckDB, with the newest manifest in it."""

import json
import pathlib
import sys

import duckdb

folder = pathlib.Path(sys.argv[1])
tempos = [int(entry.name) for entry in folder.iterdir() if entry.name.isdigit()]
if not tempos:
    sys.exit(f"{folder} holds no tempo's bundle")
manifest = json.loads((folder / str(max(tempos)) / "manifest.json").read_text())["manifest"]

listed = {}
for part_of_log in manifest["slices"]:
    for part in part_of_log["parts"]:
        key = (part["hour"], part["miner"])
        listed[key] = listed.get(key, 0) + part["rows"]

# Parts that only older tempos list may lie there too.
first = manifest["slices"][0]["first"] if manifest["slices"] else 0
end = manifest["slices"][-1]["end"] if manifest["slices"] else 0
table = f"read_parquet('{folder}/parts/*/*/*.parquet', hive_partitioning = true)"
rows = duckdb.execute(
    f"""SELECT hour, miner, count(*), count(DISTINCT index), sum(prompt_tokens + completion_tokens),
               min(hour = epoch_ms(issued_at_ms) // 3600000)
        FROM {table} WHERE index >= {first} AND index < {end} GROUP BY hour, miner ORDER BY hour, miner"""
).fetchall()
found = {(int(hour), miner): count for hour, miner, count, _, _, _ in rows}
if found != listed:
    sys.exit(f"DuckDB reads other partitions than the manifest lists:\n{found}\n{listed}")
for hour, miner, count, distinct, tokens, in_hour in rows:
    if count != distinct or not in_hour:
        sys.exit(f"partition {hour} of {miner}: {count} rows, {distinct} of them distinct, all in their hour: {in_hour}")
    print(f"hour {hour}  {miner}  {count} receipts, {tokens} tokens")
print(f"{len(found)} partitions, {sum(found.values())} receipts: as the manifest lists")
