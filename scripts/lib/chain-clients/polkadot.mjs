// Drives a localnet with the unmodified @polkadot/api: decodes with the chain's own metadata, signs, follows blocks.
//
// usage: polkadot.mjs WS_URL NODE_MODULES

import { createRequire } from "node:module";
import path from "node:path";
import process from "node:process";

const [url, modules] = process.argv.slice(2);
const require = createRequire(path.join(modules, "package.json"));
const { ApiPromise, WsProvider, Keyring } = require("@polkadot/api");
const { version } = require("@polkadot/api/packageInfo").packageInfo;

const NETUID = 64;
const TAO = 1_000_000_000n;
let failed = 0;

async function check(name, run) {
  try {
    const note = await run();
    console.log(`ok    polkadot  ${name}${note ? `: ${note}` : ""}`);
  } catch (error) {
    failed += 1;
    console.log(`FAIL  polkadot  ${name}: ${error.message ?? error}`);
  }
}

function equal(seen, expected, what) {
  const [one, other] = [seen, expected].map((value) => JSON.stringify(value, (_, v) => (typeof v === "bigint" ? `${v}` : v)));
  if (one !== other) throw new Error(`${what} is ${one}, not ${other}`);
}

// Submits a call and resolves to its events once it is final; rejects when dispatch or the pool refuses it.
function submit(api, call, signer) {
  return new Promise((resolve, reject) => {
    const statuses = [];
    const deadline = setTimeout(() => reject(new Error(`not final after 20 s: ${statuses}`)), 20_000);
    const end = (settle) => (value) => (clearTimeout(deadline), settle(value));
    call
      .signAndSend(signer, ({ status, dispatchError, events }) => {
        statuses.push(status.type);
        if (!status.isFinalized) return;
        if (!dispatchError) return end(resolve)({ events, statuses });
        const text = dispatchError.isModule ? api.registry.findMetaError(dispatchError.asModule).name : dispatchError.toString();
        end(reject)(new Error(text));
      })
      .catch(end(reject));
  });
}

const provider = new WsProvider(url, false);
await provider.connect();
const api = await ApiPromise.create({ provider, noInitWarn: true, throwOnConnect: true });
const keyring = new Keyring({ type: "sr25519", ss58Format: 42 });
const [alice, bob, hotkey] = ["//Alice", "//Bob", "//Bob//polkadot"].map((uri) => keyring.addFromUri(uri));

await check("connect", () => {
  equal(api.runtimeVersion.specVersion.toNumber(), 461, "the spec version");
  equal(api.registry.chainDecimals, [9], "the decimals");
  return `@polkadot/api ${version}, ${api.runtimeChain}`;
});

await check("System.Account", async () => {
  const account = await api.query.system.account(alice.address);
  equal(account.data.free.toBigInt(), 1_000_000n * TAO, "the balance");
});

await check("Balances.transferKeepAlive, followed until final", async () => {
  const { statuses, events } = await submit(api, api.tx.balances.transferKeepAlive(bob.address, 3n * TAO), alice);
  const names = events.map(({ event }) => `${event.section}.${event.method}`);
  if (!names.includes("balances.Transfer")) throw new Error(`the events are ${names}`);
  const account = await api.query.system.account(bob.address);
  equal(account.data.free.toBigInt(), 1_000_003n * TAO, "the balance");
  return statuses.join(", ");
});

await check("SubtensorModule.burnedRegister", async () => {
  const { events } = await submit(api, api.tx.subtensorModule.burnedRegister(NETUID, hotkey.address), bob);
  const registered = events.find(({ event }) => event.method === "NeuronRegistered");
  equal(registered.event.data.toJSON(), [NETUID, 0, hotkey.address], "the event");
  equal((await api.query.subtensorModule.uids(NETUID, hotkey.address)).toJSON(), 0, "the uid");
});

await check("a hotkey that holds nothing serves an axon", async () => {
  equal((await api.query.system.account(hotkey.address)).providers.toNumber(), 0, "the providers");
  const call = api.tx.subtensorModule.serveAxon(NETUID, 1, 0xcb007107, 8091, 4, 4, 0, 0);
  await submit(api, call, hotkey);
  const axon = (await api.query.subtensorModule.axons(NETUID, hotkey.address)).toJSON();
  equal([axon.ip, axon.port], [0xcb007107, 8091], "the axon");
});

await check("SubnetInfoRuntimeApi.getMetagraph", async () => {
  const graph = (await api.call.subnetInfoRuntimeApi.getMetagraph(NETUID)).unwrap();
  equal(graph.hotkeys.map((key) => key.toString()), [hotkey.address], "the hotkeys");
  const some = (await api.call.subnetInfoRuntimeApi.getSelectiveMetagraph(NETUID, [8, 52])).unwrap();
  equal([some.tempo.isSome, some.hotkeys.isSome, some.coldkeys.isSome], [true, true, false], "the fields");
});

await check("Utility.batchAll rolls back together", async () => {
  const before = (await api.query.system.account(alice.address)).data.free.toBigInt();
  const calls = [
    api.tx.balances.transferKeepAlive(bob.address, TAO),
    api.tx.subtensorModule.burnedRegister(NETUID, hotkey.address),
  ];
  const error = await submit(api, api.tx.utility.batchAll(calls), alice).then(
    () => "nothing",
    (error) => error.message,
  );
  equal(error, "HotKeyAlreadyRegisteredInSubNet", "the error");
  const paid = before - (await api.query.system.account(alice.address)).data.free.toBigInt();
  if (paid >= TAO) throw new Error(`${paid} rao left the account`);
});

await check("Sudo of AdminUtils", async () => {
  await submit(api, api.tx.sudo.sudo(api.tx.adminUtils.sudoSetKappa(NETUID, 40000)), alice);
  equal((await api.query.subtensorModule.kappa(NETUID)).toNumber(), 40000, "kappa");
});

await check("a subscription to new heads", async () => {
  const seen = [];
  await new Promise((resolve, reject) => {
    const deadline = setTimeout(() => reject(new Error(`heads seen: ${seen}`)), 10_000);
    api.rpc.chain.subscribeNewHeads(async (head) => {
      seen.push(head.number.toNumber());
      if (seen.length === 1) await provider.send("dev_newBlock", [3]);
      if (seen.length >= 4) resolve(clearTimeout(deadline));
    });
  });
  return `blocks ${seen.join(", ")}`;
});

await api.disconnect();
if (failed) console.log(`polkadot: ${failed} checks failed`);
process.exit(failed ? 1 : 0);
