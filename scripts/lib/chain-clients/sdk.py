"""Drives a localnet with the unmodified bittensor SDK: what a miner, a validator, a subnet owner and a staker do.

usage: sdk.py WS_URL
"""

import asyncio
import sys

import bittensor as bt
from bittensor.sp_core import Keypair
from report import Report, equal, rpc

NETUID = 64
TAO = 10**9


class Keys:
    """Two keypairs in the shape of a wallet."""

    name = hotkey_str = "temporary"

    def __init__(self, coldkey, hotkey):
        self.coldkey = self.coldkeypub = Keypair.create_from_uri(coldkey)
        self.hotkey = self.hotkeypub = Keypair.create_from_uri(hotkey)


async def submit(client, intent, wallet):
    result = await client.execute(intent, wallet)
    if not result.success:
        raise AssertionError(f"{result.message} ({result.error})")
    return result


async def refused(client, intent, wallet, name):
    """The name of the error a submission must end with."""
    try:
        result = await client.execute(intent, wallet)
    except bt.BittensorError as error:
        text = f"{error} {getattr(error, 'error', '')}"
    else:
        if result.success:
            raise AssertionError(f"{type(intent).__name__} was accepted")
        text = f"{result.message} {result.error}"
    if name not in text:
        raise AssertionError(f"refused with {text!r}, not {name}")
    return name


async def main(url):
    report = Report("bittensor")
    alice, bob = Keys("//Alice", "//Alice//validator"), Keys("//Bob", "//Bob//miner")

    def fresh():
        return bt.Client(url, fallback_endpoints=[], archive_endpoints=[])

    client = fresh()
    with report.check("connect") as note:
        await client.connect()
        equal(await client.spec_version(), 461, "the spec version")
        note(f"bittensor {bt.__version__}, block {await client.block()}")

    with report.check("balances") as note:
        balances = await client.balances.balances([alice.coldkey.ss58_address, bob.coldkey.ss58_address])
        equal([balance.rao for balance in balances.values()], [1_000_000 * TAO] * 2, "the balances")
        note(", ".join(map(str, balances.values())))

    with report.check("burned_register, shielded") as note:
        burn = await client.read("burn", netuid=NETUID)
        before = await client.balances.get(bob.coldkey.ss58_address)
        for wallet in (alice, bob):
            await submit(client, bt.BurnedRegister(netuid=NETUID, hotkey_ss58=wallet.hotkey.ss58_address), wallet)
        uids = [await client.read("uid", hotkey_ss58=w.hotkey.ss58_address, netuid=NETUID) for w in (alice, bob)]
        equal(uids, [0, 1], "the uids")
        paid = before.rao - (await client.balances.get(bob.coldkey.ss58_address)).rao
        assert paid > burn.rao, f"{paid} rao paid for a price of at least {burn.rao}"
        note(f"uids {uids}, {paid} rao paid")

    # A client remembers the last nonce it signed with, which after a shielded submission is the carrier's and not that of the
    # transaction inside: its next one is refused, on every chain.
    await client.close()
    client = fresh()
    await client.connect()

    with report.check("hyperparameters") as note:
        values = await client.read("subnet_hyperparameters", netuid=NETUID)
        equal(values["commit_reveal_weights_enabled"], False, "commit-reveal")
        equal(values["tempo"], int(await client.query(bt.storage.SubtensorModule.Tempo, [NETUID])), "the tempo")
        note(f"{len(values)} of them, tempo {values['tempo']}")

    with report.check("serve_axon") as note:
        await submit(client, bt.ServeAxon(netuid=NETUID, ip="203.0.113.7", port=8091), bob)
        axon = (await client.subnets.metagraph(NETUID)).raw["axons"][1]
        equal((axon["ip"], axon["port"]), (0xCB007107, 8091), "the axon")
        note("203.0.113.7:8091")

    with report.check("serve_axon of a stranger is refused") as note:
        stranger = Keys("//Charlie", "//Charlie//stranger")
        intent = bt.ServeAxon(netuid=NETUID, ip="203.0.113.7", port=8091)
        note(await refused(client, intent, stranger, "not registered"))

    with report.check("add_stake") as note:
        hotkey = alice.hotkey.ss58_address
        await submit(client, bt.AddStake(hotkey_ss58=hotkey, netuid=NETUID, amount_tao=100), alice)
        stake = await client.read("stake", coldkey_ss58=alice.coldkey.ss58_address, hotkey_ss58=hotkey, netuid=NETUID)
        assert stake.rao > 0, "nothing is staked"
        positions = await client.read("stake_for_coldkey", coldkey_ss58=alice.coldkey.ss58_address)
        assert any(position.stake.rao == stake.rao for position in positions), "two reads of the stake differ"
        note(str(stake))

    with report.check("set_weights, commit-reveal off") as note:
        # One epoch gives the validator its permit.
        tempo = int(await client.query(bt.storage.SubtensorModule.Tempo, [NETUID]))
        rpc(url, "dev_newBlock", tempo + 1)
        await submit(client, bt.SetWeights(netuid=NETUID, uids=[1], weights=[1.0]), alice)
        weights = await client.read("weights", netuid=NETUID)
        equal(weights, {0: {1: 1.0}}, "the weights")
        note(str(weights))

    with report.check("metagraph") as note:
        rpc(url, "dev_newBlock", tempo + 1)
        graph = await client.subnets.metagraph(NETUID)
        equal(graph.hotkeys, [w.hotkey.ss58_address for w in (alice, bob)], "the hotkeys")
        raw = graph.raw
        equal(list(raw["validator_permit"]), [True, False], "the permits")
        equal([int(value) for value in raw["incentives"]], [0, 65535], "the incentives")
        neurons = await client.read("neurons", netuid=NETUID, lite=False)
        equal(len(neurons), 2, "the number of neurons")
        note(f"{graph.num_uids} neurons, the miner earned {raw['emission'][1]} rao of alpha")

    with report.check("the owner sets a hyperparameter") as note:
        rpc(url, "dev_newBlock", tempo - await client.read("blocks_since_last_step", netuid=NETUID))
        await submit(client, bt.SetHyperparameter(netuid=NETUID, name="immunity_period", value=77), alice)
        equal(await client.read("immunity_period", netuid=NETUID), 77, "the immunity period")
        again = bt.SetHyperparameter(netuid=NETUID, name="immunity_period", value=78)
        note(f"77, and at once again: {await refused(client, again, alice, 'TxRateLimitExceeded')}")

    with report.check("somebody else does not") as note:
        intent = bt.SetHyperparameter(netuid=NETUID, name="rho", value=11)
        note(await refused(client, intent, bob, "BadOrigin"))

    with report.check("a proxy stakes for an account and cannot transfer") as note:
        real, delegate = bob.coldkey.ss58_address, Keys("//Dave", "//Dave")
        await submit(client, bt.AddProxy(delegate_ss58=delegate.coldkey.ss58_address, proxy_type="Staking"), bob)
        listed = await client.read("proxies", coldkey_ss58=real)
        equal([entry["proxy_type"] for entry in listed["proxies"]], ["Staking"], "the proxies")
        intent = bt.AddStake(hotkey_ss58=bob.hotkey.ss58_address, netuid=NETUID, amount_tao=5)
        result = await client.execute(intent, delegate, proxy_for=real)
        assert result.success, result.message
        intent = bt.Transfer(dest_ss58=delegate.coldkey.ss58_address, amount_tao=1)
        try:
            result = await client.execute(intent, delegate, proxy_for=real)
            assert not result.success, "the transfer was made"
        except bt.BittensorError:
            pass
        note(f"deposit {listed['deposit']}")

    with report.check("transfer") as note:
        to = Keypair.create_from_uri("//Nobody yet").ss58_address
        await submit(client, bt.Transfer(dest_ss58=to, amount_tao=1.5), alice)
        equal((await client.balances.get(to)).rao, 1_500_000_000, "the balance")
        note("1.5 TAO")

    with report.check("remove_stake") as note:
        result = await submit(client, bt.RemoveStake(hotkey_ss58=hotkey, netuid=NETUID, amount_alpha=10), alice)
        note(result.extrinsic_id)

    await client.close()
    report.exit()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
