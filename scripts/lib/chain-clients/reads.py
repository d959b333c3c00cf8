"""Asks a localnet every read of the unmodified bittensor SDK with real arguments.

usage: reads.py WS_URL ABSENT_FILE

Each read answers, or stands in ABSENT_FILE with the reason why the dev chain does not have it. A read of that file that
answers, or that the SDK does not have, fails too: the list cannot rot.
"""

import asyncio
import sys

import bittensor as bt
from bittensor.reads import REGISTRY
from report import Report, equal
from sdk import NETUID, TAO, Keys, submit


def absent(path):
    """The reads that are deliberately absent, with their reasons: lines of NAME, then words."""
    lines = [line.strip() for line in open(path) if line.strip() and not line.startswith("#")]
    return dict(line.split(maxsplit=1) for line in lines)


def arguments(spec, wallet):
    """A value for each parameter of a read."""
    coldkey, hotkey = wallet.coldkey.ss58_address, wallet.hotkey.ss58_address
    by_name = {"netuid": NETUID, "netuids": [NETUID], "uid": 0, "block": 1, "call_hash": "0x" + "11" * 32}
    by_type = {"integer": 0, "number": 1.5, "boolean": False}
    values = {}
    for name, kind in spec.params.items():
        if name.endswith("_ss58s"):
            values[name] = [hotkey if "hotkey" in name else coldkey]
        elif name.endswith("_ss58"):
            values[name] = hotkey if "hotkey" in name else coldkey
        else:
            values[name] = by_name[name] if name in by_name else by_type[kind]
    return values


# What some reads must say of the chain that `main` has prepared; the others must only answer.
def expectations(wallet):
    hotkey, coldkey = wallet.hotkey.ss58_address, wallet.coldkey.ss58_address
    return {
        "alpha_prices": lambda seen: NETUID in seen,
        "auto_stake_all": lambda seen: seen == [],
        "balance": lambda seen: 0 < seen.rao < 1_000_000 * TAO,
        "commit_reveal_enabled": lambda seen: seen is False,
        "existential_deposit": lambda seen: seen.rao == 500,
        "hotkey_owner": lambda seen: seen == coldkey,
        "is_fast_blocks": lambda seen: seen is True,
        "locks_for_coldkey": lambda seen: seen == [],
        "mechanism_count": lambda seen: seen == 1,
        "mev_shield_next_key": lambda seen: len(str(seen)) >= 2 * 1184,
        "netuids_for_hotkey": lambda seen: seen == [NETUID],
        "neurons": lambda seen: [neuron.hotkey for neuron in seen] == [hotkey],
        "owned_hotkeys": lambda seen: hotkey in seen,
        "proxies": lambda seen: seen["proxies"] == [],
        "root_baskets": lambda seen: seen == [],
        "stake": lambda seen: seen.rao > 0,
        "stake_for_coldkey": lambda seen: [position.hotkey for position in seen] == [hotkey],
        "subnet": lambda seen: (seen.netuid, seen.neuron_count) == (NETUID, 1),
        "subnets": lambda seen: NETUID in [subnet.netuid for subnet in seen],
        "uid": lambda seen: seen == 0,
    }


async def main(url, path):
    report = Report("reads")
    missing = absent(path)
    wallet = Keys("//Alice", "//Alice//validator")
    client = bt.Client(url, fallback_endpoints=[], archive_endpoints=[])
    await client.connect()
    await submit(client, bt.BurnedRegister(netuid=NETUID, hotkey_ss58=wallet.hotkey.ss58_address), wallet)
    await client.close()
    client = bt.Client(url, fallback_endpoints=[], archive_endpoints=[])
    await client.connect()
    stake = bt.AddStake(hotkey_ss58=wallet.hotkey.ss58_address, netuid=NETUID, amount_tao=100)
    await submit(client, stake, wallet)

    expected = expectations(wallet)
    answered = []
    for name, spec in sorted(REGISTRY.items()):
        try:
            seen = await asyncio.wait_for(client.read(name, **arguments(spec, wallet)), 20)
        except Exception as error:  # whatever a read raises is what is reported
            if name in missing:
                print(f"-     reads  {name}: {missing[name]}")
                continue
            with report.check(name):
                raise error
            continue
        with report.check(name) as note:
            assert name not in missing, "answers, but is on the list of absent reads: take it off"
            assert name not in expected or expected[name](seen), f"answered {seen!r}"
            answered.append(name)
            note(str(seen).replace("\n", " ")[:80])
    with report.check("the lists name reads that exist") as note:
        equal([name for name in [*missing, *expected] if name not in REGISTRY], [], "the names without a read")
        note(f"{len(answered)} of {len(REGISTRY)} answer, {len(missing)} are deliberately absent")
    await client.close()
    report.exit()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2]))
