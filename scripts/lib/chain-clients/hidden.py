"""Sets weights with the unmodified bittensor SDK on a localnet whose subnet has commit-reveal on, and sees them revealed.

The SDK encrypts to quicknet, whose signature of a round is what opens a ciphertext, and nobody has those of the future. So the
SDK's clock stands in the past (frozen_clock.c), at a moment from which the reveal falls into round 1000, whose signature is
known, and the check brings that pulse to the chain as its offchain worker does on the real one.

usage: LD_PRELOAD=frozen_clock.so hidden.py WS_URL, on a chain as check-chain-clients starts it
"""

import asyncio
import hashlib
import os
import struct
import sys

import bittensor as bt
import bittensor_core
from bittensor.sp_core import Keypair
from report import Report, equal, rpc

NETUID = 64
QUICKNET_GENESIS_S = 1_692_803_367
QUICKNET_PERIOD_S = 3
ROUND = 1_000
# Quicknet's signature of that round, as drand publishes it.
SIGNATURE = bytes.fromhex(
    "b44679b9a59af2ec876b1a6b1ad52ea9b1615fc3982b19576350f93447cb1125e342b73a8dd2bacbe47e4b6b63ed5e39"
)
# twox128("Drand") and twox128("Pulses").
PULSES = bytes.fromhex("a285cdb66e8b8524ea70b1693c7b1e050d8e70fd32bfb1639703f9a23d15b15e")


class Keys:
    """Two keypairs in the shape of a wallet."""

    name = hotkey_str = "temporary"

    def __init__(self, coldkey, hotkey):
        self.coldkey = self.coldkeypub = Keypair.create_from_uri(coldkey)
        self.hotkey = self.hotkeypub = Keypair.create_from_uri(hotkey)


def at(second):
    os.environ["FROZEN_UNIX_S"] = str(second)


async def schedule(client, hotkey):
    """Where the chain stands, as the SDK reads it before it encrypts."""

    async def value(item):
        return int(await client.query(getattr(bt.storage.SubtensorModule, item), [NETUID]) or 0)

    return {
        "uids": [1, 2],
        "weights": [1, 3],
        "version_key": 0,
        "last_epoch_block": await value("LastEpochBlock"),
        "pending_epoch_at": await value("PendingEpochAt"),
        "subnet_epoch_index": await value("SubnetEpochIndex"),
        "tempo": await value("Tempo"),
        "blocks_since_last_step": await value("BlocksSinceLastStep"),
        "current_block": await client.block(),
        "subnet_reveal_period_epochs": await value("RevealPeriodEpochs"),
        "block_time": 0.25,
        "hotkey": hotkey,
    }


def pulse():
    """Key and value of the pulse in the chain's state."""
    number = struct.pack("<Q", ROUND)
    key = PULSES + hashlib.blake2b(number, digest_size=16).digest() + number
    randomness = hashlib.sha256(SIGNATURE).digest()
    value = number + bytes([4 * len(randomness)]) + randomness + bytes([4 * len(SIGNATURE)]) + SIGNATURE
    return ["0x" + key.hex(), "0x" + value.hex()]


async def main(url):
    report = Report("bittensor, hidden")
    validator = Keys("//Bob", "//validator")
    client = bt.Client(url, fallback_endpoints=[], archive_endpoints=[])
    await client.connect()

    with report.check("its clock can be set to when the reveal falls into a known round") as note:
        rpc(url, "dev_newBlock", 1)
        state = await schedule(client, bytes(validator.hotkey.public_key))
        guess = QUICKNET_GENESIS_S + (ROUND - 200) * QUICKNET_PERIOD_S
        at(guess)
        reveal_round = bittensor_core.get_encrypted_commit_v2(**state)[1]
        at(guess + (ROUND - reveal_round) * QUICKNET_PERIOD_S)
        equal(bittensor_core.get_encrypted_commit_v2(**state)[1], ROUND, "the reveal round")
        note(f"round {ROUND}")

    with report.check("set_weights, commit-reveal on") as note:
        values = await client.read("subnet_hyperparameters", netuid=NETUID)
        equal(values["commit_reveal_weights_enabled"], True, "commit-reveal")
        result = await client.execute(bt.SetWeights(netuid=NETUID, uids=[1, 2], weights=[1.0, 3.0]), validator)
        assert result.success, f"{result.message} ({result.error})"
        equal(result.data.get("reveal_round"), ROUND, "the round it was encrypted to")
        equal(await client.read("weights", netuid=NETUID), {}, "the weights, which are still hidden")
        note(f"committed in block {await client.block()}")

    with report.check("the chain reveals what the SDK committed") as note:
        tempo = int(await client.query(bt.storage.SubtensorModule.Tempo, [NETUID]))
        since = int(await client.query(bt.storage.SubtensorModule.BlocksSinceLastStep, [NETUID]))
        rpc(url, "dev_newBlock", tempo - since)
        equal(await client.read("weights", netuid=NETUID), {}, "the weights before the beacon's pulse")
        rpc(url, "dev_setStorage", [pulse()])
        rpc(url, "dev_newBlock", 1)
        weights = await client.read("weights", netuid=NETUID)
        row = weights[0]
        assert set(row) == {1, 2} and abs(row[1] * 3 - row[2]) < 0.001, f"the weights are {weights}"
        note(str(weights))

    await client.close()
    report.exit()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
