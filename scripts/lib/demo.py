"""Runs a whole subnet on this machine: a chain, one validator, two miners with a real model, and one user.

Called by scripts/demo, which builds the programs first. Only the Python standard library is used.
"""

import argparse
import json
import os
import shutil
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

from processes import Failure, Processes, free_port, run_json

NETUID = 64
MODEL_ID = "SmolLM2-135M-Instruct"
EMBEDDER_ID = "all-MiniLM-L6-v2"
QUESTION = "What is gravity? Answer in two sentences."
# One block every half second and a tempo of 20 blocks: an epoch takes ten seconds.
BLOCK_TIME_MS = 500
TEMPO_BLOCKS = 20
VALIDATOR_STAKE_TAO = 1000
# The chain refuses to publish 127.0.0.1 as an axon; the rest of the loopback range is as local and allowed.
AXON_IP = "127.0.0.2"
WALLETS = {"validator": "demo-validator", "miner-1": "demo-miner-1", "miner-2": "demo-miner-2"}


def say(text=""):
    print(text, flush=True)


class Steps:
    """Numbers the steps, so that a person sees where the demo is and which one failed."""

    def __init__(self, total):
        self.total = total
        self.done = 0
        self.name = "start"
        self.started = time.monotonic()

    def begin(self, name):
        self.done += 1
        self.name = name
        say(f"\n[{self.done}/{self.total}] {name}  ({time.monotonic() - self.started:.0f} s)")


class Demo:
    def __init__(self, options):
        self.state = Path(options.state).expanduser().resolve()
        self.bin = Path(options.bin)
        self.model = Path(options.model)
        self.embedder = Path(options.embedder)
        self.paced = options.paced
        self.logs = self.state / "logs"
        self.wallets = self.state / "wallets"
        self.processes = Processes(self.state)
        self.ports = {}
        self.steps = Steps(9)

    # -- addresses -------------------------------------------------------------------------------------------------

    @property
    def chain_url(self):
        return f"ws://127.0.0.1:{self.ports['chain']}"

    @property
    def gateway_url(self):
        return f"http://127.0.0.1:{self.ports['gateway']}"

    @property
    def rpc_url(self):
        return f"http://127.0.0.1:{self.ports['rpc']}"

    def axon_url(self, miner):
        return f"http://{AXON_IP}:{self.ports[miner]}"

    def choose_ports(self):
        """Free ports, remembered so that a second run finds the processes of the first."""
        path = self.state / "ports.json"
        if path.exists() and self.processes.any_running():
            self.ports = json.loads(path.read_text())
            return
        self.ports = {name: free_port() for name in ("chain", "gateway", "rpc", "miner-1", "miner-2")}
        path.write_text(json.dumps(self.ports))

    # -- talking to the parts ----------------------------------------------------------------------------------------

    def http(self, url, body=None, headers=None, timeout=30):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(url, data, {"content-type": "application/json", **(headers or {})})
        with urllib.request.urlopen(request, timeout=timeout) as response:
            return json.loads(response.read())

    def rpc(self, url, method, params):
        answer = self.http(url, {"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
        if "error" in answer:
            raise Failure(f"{method} answered {answer['error']}", "see the log of the process that answered")
        return answer["result"]

    def wait(self, what, condition, seconds, log):
        """Polls a condition with a deadline, showing that time passes."""
        deadline = time.monotonic() + seconds
        problem = "it never answered"
        while time.monotonic() < deadline:
            dead = self.processes.first_dead()
            if dead:
                raise Failure(f"{dead} stopped while waiting: {what}", "read the end of its log", self.logs / f"{dead}.log")
            try:
                found = condition()
                if found:
                    return found
                problem = "not yet"
            except (OSError, KeyError, ValueError, Failure) as error:
                problem = str(error)
            time.sleep(0.25)
        raise Failure(f"waited {seconds} s: {what} ({problem})", "read the log", self.logs / f"{log}.log")

    def program(self, name, *arguments):
        return [str(self.bin / name), *map(str, arguments)]

    def identity(self, who):
        return ["--wallet", WALLETS[who], "--wallet-hotkey", "default", "--wallet-path", str(self.wallets)]

    def cli(self, program, command, who, *more):
        return run_json(
            self.program(program, *command, *self.identity(who), *more, "--json"), self.logs / f"{who}-commands.log"
        )

    # -- the steps ---------------------------------------------------------------------------------------------------

    def run(self):
        self.logs.mkdir(parents=True, exist_ok=True)
        self.processes.forget_dead()
        self.choose_ports()
        say(f"state folder: {self.state}")
        self.start_chain()
        keys = self.make_wallets()
        self.register(keys)
        self.start_miners()
        api_key = self.start_validator()
        self.write_env(api_key)
        self.wait_until_ready(keys)
        self.ask(api_key)
        self.show(keys)
        self.audit()

    def start_chain(self):
        self.steps.begin("start the local chain")
        if not self.processes.running("localnet"):
            # A new chain knows nothing of the old one's blocks: what the nodes stored about those goes.
            for name in ("validator", "miner-1", "miner-2"):
                self.processes.stop(name)
                shutil.rmtree(self.state / name, ignore_errors=True)
            self.processes.start(
                "localnet",
                self.program("localnet", "--port", self.ports["chain"], "--block-time-ms", BLOCK_TIME_MS, "--tempo", TEMPO_BLOCKS),
            )
        chain = self.chain_url.replace("ws", "http", 1)
        header = self.wait("the chain produces blocks", lambda: self.rpc(chain, "chain_getHeader", []), 30, "localnet")
        say(f"    {self.chain_url} at block {int(header['number'], 16)}")

    def make_wallets(self):
        self.steps.begin("wallets for one validator and two miners")
        keys = {}
        for who, wallet in WALLETS.items():
            program = "subnet-validator" if who == "validator" else "subnet-miner"
            exists = (self.wallets / wallet / "hotkeys" / "default").exists()
            # Nothing of value is on a chain that lives in this folder, so the coldkeys need no password.
            command = ["wallet", "show"] if exists else ["wallet", "new", "--no-password"]
            keys[who] = self.cli(program, command, who)
            say(f"    {who}: hotkey {keys[who]['hotkey']}")
        return keys

    def register(self, keys):
        self.steps.begin("fund, register and stake them on netuid 64")
        chain = self.chain_url.replace("ws", "http", 1)
        network = ["--network", self.chain_url, "--netuid", str(NETUID)]
        for who in WALLETS:
            # The faucet, so that a second run of a kept demo does not find an empty purse either.
            self.rpc(chain, "dev_faucet", [keys[who]["coldkey"], 2 * VALIDATOR_STAKE_TAO * 10**9])
        paid = int(self.rpc(chain, "chain_getHeader", [])["number"], 16)

        def paid_is_final():
            final = self.rpc(chain, "chain_getHeader", [self.rpc(chain, "chain_getFinalizedHead", [])])
            return int(final["number"], 16) >= paid

        self.wait("the payments are final", paid_is_final, 30, "localnet")
        for who in WALLETS:
            program = "subnet-validator" if who == "validator" else "subnet-miner"
            answer = self.cli(program, ["register"], who, *network, "--yes")
            say(f"    {who}: uid {answer['uid']}")
        status = self.cli("subnet-validator", ["status"], "validator", *network)
        if int(status["stake_rao"]) < VALIDATOR_STAKE_TAO * 10**9 // 2:
            answer = self.cli(
                "subnet-validator", ["stake"], "validator", *network, "--amount-tao", VALIDATOR_STAKE_TAO, "--yes"
            )
            say(f"    validator: {VALIDATOR_STAKE_TAO} TAO staked, finalised in block {answer['block']}")

    def start_miners(self):
        held = f"that answer at a fixed pace as {MODEL_ID}" if self.paced else f"with {MODEL_ID} and {EMBEDDER_ID}"
        self.steps.begin(f"start two miners {held}")
        for who in ("miner-1", "miner-2"):
            if self.paced and not self.processes.running(who):
                self.processes.start(
                    who,
                    self.program(
                        "examples/paced-miner", *self.identity(who), "--network", self.chain_url, "--netuid", NETUID,
                        "--bind", f"{AXON_IP}:{self.ports[who]}", "--model", MODEL_ID,
                    ),
                )
            elif not self.processes.running(who):
                self.processes.start(
                    who,
                    self.program(
                        "subnet-miner", "run", *self.identity(who), "--network", self.chain_url, "--netuid", NETUID,
                        "--bind", f"{AXON_IP}:{self.ports[who]}", "--external-ip", AXON_IP,
                        "--external-port", self.ports[who], "--state", self.state / who,
                        "--model", f"{MODEL_ID}={self.model}", "--model", f"{EMBEDDER_ID}={self.embedder}",
                        "--allow-coldkey-present", "--metrics-bind", "127.0.0.1:0",
                    ),
                )
        for who in ("miner-1", "miner-2"):
            inventory = self.wait(f"{who} has loaded its model", lambda: self.http(f"{self.axon_url(who)}/inventory"), 120, who)
            models = ", ".join(model["id"] for model in inventory["inventory"]["models"])
            say(f"    {who}: {self.axon_url(who)} holds {models}")

    def start_validator(self):
        self.steps.begin("start the validator")
        state = self.state / "validator"
        key_file = self.state / "api-key"
        if not self.processes.running("validator"):
            state.mkdir(exist_ok=True)
            key = run_json(self.program("subnet-validator", "keys", "create", "--name", "demo", *self.identity("validator"), "--state", state, "--json"), self.logs / "validator-commands.log")
            key_file.touch(mode=0o600)
            key_file.write_text(key["key"])
            self.processes.start(
                "validator",
                self.program(
                    "subnet-validator", "run", *self.identity("validator"), "--network", self.chain_url, "--netuid", NETUID,
                    "--gateway-bind", f"127.0.0.1:{self.ports['gateway']}", "--rpc-bind", f"127.0.0.1:{self.ports['rpc']}",
                    "--state", state, "--allow-coldkey-present",
                ),
            )
        self.wait("the gateway answers", lambda: self.http(f"{self.gateway_url}/health"), 60, "validator")
        say(f"    gateway {self.gateway_url}/v1, staker JSON-RPC {self.rpc_url}")
        return key_file.read_text()

    def write_env(self, api_key):
        values = {
            "OPENAI_BASE_URL": f"{self.gateway_url}/v1",
            "OPENAI_API_KEY": api_key,
            "STAKER_RPC_URL": self.rpc_url,
            "CHAIN_WS_URL": self.chain_url,
            "AXON_URLS": ",".join(self.axon_url(who) for who in ("miner-1", "miner-2")),
            "WALLET_PATH": self.wallets,
        }
        path = self.state / "demo.env"
        path.touch(mode=0o600)
        path.write_text("".join(f"{name}={value}\n" for name, value in values.items()))

    def wait_until_ready(self, keys):
        self.steps.begin("wait until both axons are on chain and the validator may set weights")

        def miners_served():
            listed = self.rpc(self.rpc_url, "subnet_v1_miners", [])["data"]["items"]
            serving = {row["hotkey"] for row in listed if row["axon"] and row["models"]}
            return {keys["miner-1"]["hotkey"], keys["miner-2"]["hotkey"]} <= serving

        self.wait("both axons are in the metagraph and their models are hot", miners_served, 120, "validator")
        say("    both miners are reachable through the metagraph")

        def permitted():
            status = self.cli("subnet-validator", ["status"], "validator", "--network", self.chain_url, "--netuid", str(NETUID))
            return status["validator_permit"] and status

        status = self.wait("the chain gives the validator its permit (at the end of an epoch)", permitted, 90, "validator")
        say(f"    validator uid {status['uid']} has its permit")
        # A miner serves only validators whose permit it has seen on chain itself; one with a fixed pace serves anybody.
        for who in () if self.paced else ("miner-1", "miner-2"):
            self.wait(f"{who} sees the permit", lambda: self.http(f"{self.axon_url(who)}/health")["validators"] >= 1, 30, who)

    def ask(self, api_key):
        self.steps.begin("one chat request, streamed")
        say(f"    user: {QUESTION}")
        body = {
            "model": MODEL_ID,
            "messages": [{"role": "user", "content": QUESTION}],
            "stream": True,
            "stream_options": {"include_usage": True},
            "max_tokens": 96,
            "temperature": 0,
        }
        request = urllib.request.Request(
            f"{self.gateway_url}/v1/chat/completions",
            json.dumps(body).encode(),
            {"content-type": "application/json", "authorization": f"Bearer {api_key}"},
        )
        first = None
        usage = None
        started = time.monotonic()
        print("    model: ", end="", flush=True)
        with urllib.request.urlopen(request, timeout=120) as response:
            for line in response:
                if not line.startswith(b"data: ") or line.strip() == b"data: [DONE]":
                    continue
                chunk = json.loads(line[6:])
                if "error" in chunk:
                    raise Failure(f"the stream ended with {chunk['error']}", "read the log", self.logs / "validator.log")
                usage = chunk.get("usage") or usage
                for choice in chunk["choices"]:
                    text = choice["delta"].get("content") or ""
                    if text and first is None:
                        first = time.monotonic() - started
                    print(text, end="", flush=True)
        total = time.monotonic() - started
        say()
        if first is None or usage is None:
            raise Failure("the stream held no text", "read the log", self.logs / "validator.log")
        say(
            f"    {usage['prompt_tokens']} + {usage['completion_tokens']} tokens, first after {first:.2f} s, "
            f"{usage['completion_tokens'] / max(total - first, 1e-9):.1f} tokens/s"
        )

    def show(self, keys):
        self.steps.begin("receipt, scores, weights")

        def receipts():
            return self.rpc(self.rpc_url, "subnet_v1_receipts", {"limit": 1})["data"]["items"]

        receipt = self.wait("the receipt is in the ledger", receipts, 30, "validator")[0]
        who = {keys[name]["hotkey"]: name for name in keys}
        miner = receipt["miner"]
        say("    receipt, signed by the validator (ticket), the miner (receipt) and the validator again (observation):")
        say(indent(json.dumps(receipt, indent=2), 6))

        def weights():
            answer = self.rpc(self.rpc_url, "subnet_v1_weights", [])
            on_chain = answer["data"]["onChain"]
            return any(row["hotkey"] == miner and row["weight"] > 0 for row in on_chain) and answer

        answer = self.wait("weights for the serving miner are on chain (set once a tempo)", weights, 120, "validator")
        say("    scores of the window:")
        for row in answer["data"]["scores"]["rows"]:
            terms = ", ".join(f"{name} {points}" for name, points in row["termsBps"].items())
            say(f"      {who.get(row['hotkey'], row['hotkey'])}: {row['basisPoints']} of 10000 basis points ({terms})")
        uids = {row["uid"]: who.get(row["hotkey"], row["hotkey"]) for row in answer["data"]["onChain"]}
        validator_uid = self.rpc(self.rpc_url, "subnet_v1_info", [])["data"]["validator"]["uid"]
        say("    weights as the chain itself holds them (SubtensorModule.Weights, read by storage key):")
        for uid, weight in self.weights_in_storage(validator_uid):
            say(f"      {uids.get(uid, 'unknown')} (uid {uid}): {weight} of 65535")
        say("    staker JSON-RPC, subnet_v1_info:")
        say(indent(json.dumps(self.rpc(self.rpc_url, "subnet_v1_info", []), indent=2), 6))

    def audit(self):
        self.steps.begin("audit: the same weights from the published files alone")
        bundle = self.state / "audit"

        def agreed():
            # A tempo may end between the two commands; then the newer bundle is fetched.
            shutil.rmtree(bundle, ignore_errors=True)
            self.cli("subnet-validator", ["audit", "fetch", self.gateway_url], "validator", "--out", bundle)
            # With the validator's folder, so that its page shows the verdict.
            review = ["audit", "review", str(bundle), "--state", str(self.state / "validator")]
            verdict = self.cli("subnet-validator", review, "validator", "--network", self.chain_url)
            return verdict["agreed"] and verdict

        verdict = self.wait("an auditor agrees with the weights on chain", agreed, 60, "validator")
        say(
            f"    epoch {verdict['epochIndex']}: {verdict['leaves']} receipts with good signatures give the committed head"
            f"\n    {verdict['head']} and the weights on chain"
        )
        say(f"    check it yourself: subnet-validator audit review {bundle} --network {self.chain_url}")

    def weights_in_storage(self, validator_uid):
        """Asks the chain without any of our own code in between: twox128 of pallet and item, then both keys as they are."""
        prefix = "0x658faa385070e074c85bf6b568cf0555" "a1e7036061f484bc3048a64b64e35ec4"
        key = prefix + NETUID.to_bytes(2, "little").hex() + validator_uid.to_bytes(2, "little").hex()
        value = self.rpc(self.chain_url.replace("ws", "http", 1), "state_getStorage", [key])
        if value is None:
            raise Failure("the chain holds no weights of the validator", "read the log", self.logs / "validator.log")
        scale = bytes.fromhex(value[2:])
        # A SCALE vector of (u16, u16): a compact length (one byte below 64 items, two above), then the pairs.
        start = 1 if scale[0] % 4 == 0 else 2
        numbers = [int.from_bytes(scale[at : at + 2], "little") for at in range(start, len(scale), 2)]
        return list(zip(numbers[::2], numbers[1::2]))


def indent(text, spaces):
    return "\n".join(" " * spaces + line for line in text.splitlines())


def next_steps(demo, keep):
    if keep:
        say(
            f"""
The subnet keeps running. Its page: {demo.rpc_url}
Try next:
  set -a; source {demo.state}/demo.env; set +a
  curl -s $OPENAI_BASE_URL/models -H "Authorization: Bearer $OPENAI_API_KEY"
  python3 -c 'import openai; print(openai.OpenAI().chat.completions.create(model="{MODEL_ID}", messages=[{{"role": "user", "content": "Hello!"}}]).choices[0].message.content)'
  curl -s $STAKER_RPC_URL -H 'content-type: application/json' -d '{{"jsonrpc":"2.0","id":1,"method":"rpc_methods","params":[]}}'
Logs: {demo.logs}    Stop: scripts/demo --stop --state {demo.state}"""
        )
    else:
        say(f"\nDone; everything is stopped. Logs: {demo.logs}\nNext: scripts/demo --keep leaves it running and writes {demo.state}/demo.env")


def parse(arguments):
    cache = os.environ.get("SUBNET64_CACHE") or os.path.join(
        os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "subnet64"
    )
    parser = argparse.ArgumentParser(
        prog="scripts/demo",
        description="Runs a whole subnet on this machine (chain, validator, two miners with a real model) and sends it one request.",
        epilog="Exit status: 0 the whole loop worked, 1 a step failed (its name, log and fix are printed).",
    )
    parser.add_argument("--state", default=os.path.join(cache, "demo"), metavar="DIR", help="state folder (default: %(default)s)")
    parser.add_argument("--keep", action="store_true", help="leave the subnet running and write DIR/demo.env")
    parser.add_argument("--stop", action="store_true", help="stop what an earlier --keep left running")
    parser.add_argument("--measured", action="store_true", help="build what a call passes through optimised, for figures")
    parser.add_argument(
        "--paced", action="store_true",
        help="with miners that compute nothing and answer at a fixed pace, to measure the rest (an example program stands in for them)",
    )
    parser.add_argument("--bin", default="", help=argparse.SUPPRESS)
    parser.add_argument("--model", default="", help=argparse.SUPPRESS)
    parser.add_argument("--embedder", default="", help=argparse.SUPPRESS)
    return parser.parse_args(arguments)


def main(arguments):
    options = parse(arguments)
    demo = Demo(options)
    if options.stop:
        stopped = demo.processes.stop_all()
        say(f"stopped: {', '.join(stopped) if stopped else 'nothing was running'}")
        return 0
    finished = False
    try:
        demo.run()
        finished = True
    except (Failure, OSError) as error:
        failure = error if isinstance(error, Failure) else Failure(str(error), "read the logs", demo.logs / "validator.log")
        say(f"\nFAILED in step \"{demo.steps.name}\": {failure}")
        if failure.log and failure.log.exists():
            say(f"    end of {failure.log}:")
            say(indent("\n".join(failure.log.read_text(errors="replace").splitlines()[-15:]), 6))
        say(f"    fix: {failure.fix}\n    logs: {demo.logs}")
        return 1
    except KeyboardInterrupt:
        say("\ninterrupted")
        return 1
    finally:
        if not (finished and options.keep):
            demo.processes.stop_all()
    next_steps(demo, options.keep)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
