"""Drives a localnet with the unmodified btcli, as a person would in a terminal.

usage: btcli.py WS_URL BTCLI WALLETS_FOLDER
"""

import json
import os
import subprocess
import sys

from report import Report, equal

NETUID = "64"
ALICE_SEED = "0xe5be9a5092b81bca64be81d212e7f2f9eba183bb7a90954f7b76361f6edb5c0a"
ALICE = "5GrwvaEF5zXb26Fz9rcQpDWS57CtERHpNehXCPcNoHGKutQY"


class Btcli:
    """Runs btcli against one chain with wallets in one folder."""

    def __init__(self, program, url, wallets):
        self.program = program
        self.environment = {
            **os.environ,
            "BT_NETWORK": url,
            "BT_WALLET_PATH": wallets,
            "BT_WALLET": "temporary",
            "BTCLI_CONFIG": os.path.join(wallets, "btcli.json"),
        }

    def __call__(self, *arguments):
        """What a command prints as JSON."""
        command = [self.program, *arguments, "--json"]
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL)
        if done.returncode:
            raise AssertionError(f"{' '.join(arguments)}: {(done.stdout + done.stderr).strip()[-300:]}")
        return json.loads(done.stdout) if done.stdout.strip() else None


def main(url, program, wallets):
    report = Report("btcli")
    btcli = Btcli(program, url, wallets)

    with report.check("wallet regen-coldkey, new-hotkey"):
        btcli("wallet", "regen-coldkey", "--seed", ALICE_SEED, "--no-password")
        btcli("wallet", "new-hotkey")

    with report.check("wallet balance") as note:
        balance = btcli("wallet", "balance")
        equal(balance["coldkey"], ALICE, "the address")
        equal(balance["free_tao"], 1_000_000.0, "the free TAO")
        note(f"{balance['free_tao']} TAO")

    with report.check("subnets list") as note:
        subnets = btcli("subnets", "list")
        equal([subnet["netuid"] for subnet in subnets if str(subnet["netuid"]) == NETUID], [64], "the subnet")
        note(", ".join(f"{subnet['netuid']} {subnet['name']}" for subnet in subnets))

    with report.check("subnets show 64") as note:
        subnet = btcli("subnets", "show", NETUID)
        equal((subnet["netuid"], subnet["neurons"]), (64, 0), "the subnet")
        note(f"{subnet['name']}, owner {subnet['owner_coldkey']}, burn {subnet['burn_tao']}")

    with report.check("tx burned-register") as note:
        done = btcli("tx", "burned-register", "--netuid", NETUID, "--yes")
        assert done["success"], done
        note(str(done.get("extrinsic_id")))

    with report.check("query uid, query metagraph") as note:
        equal(btcli("query", "uid", "--netuid", NETUID), 0, "the uid")
        graph = btcli("query", "metagraph", "--netuid", NETUID)
        equal(graph["num_uids"], 1, "the number of neurons")
        note(f"{graph['num_uids']} neuron, {graph['hotkeys'][0]}")

    with report.check("stake add, stake show") as note:
        btcli("stake", "add", "--netuid", NETUID, "--amount", "25", "--no-mev-shield", "--yes")
        stake = btcli("stake", "show", "--netuid", NETUID)
        # Alpha costs half a TAO, its price moves against the buyer, and the pool takes a fee.
        assert 49 < stake["stake_amount"] < 50, stake
        note(stake["stake"])

    with report.check("subnets hyperparameters") as note:
        values = btcli("subnets", "hyperparameters", NETUID)
        note(f"{len(values)} of them")

    with report.check("wallet overview") as note:
        note(json.dumps(btcli("wallet", "overview"))[:100])

    report.exit()


if __name__ == "__main__":
    main(*sys.argv[1:4])
