// Drives a running validator's JSON-RPC with the WsProvider of @polkadot/api: calls, subscriptions, and that it comes back.
//
// usage: provider.mjs RPC_URL NODE_MODULES

import { createRequire } from "node:module";
import path from "node:path";
import process from "node:process";

const [url, modules] = process.argv.slice(2);
const require = createRequire(path.join(modules, "package.json"));
const { WsProvider } = require("@polkadot/api");

const provider = new WsProvider(url.replace(/^http/, "ws"), 250);
await provider.isReady;
let failed = 0;

async function check(name, run) {
  try {
    console.log(`ok    provider  ${name}: ${await run()}`);
  } catch (error) {
    failed += 1;
    console.log(`FAIL  provider  ${name}: ${error.message ?? error}`);
  }
}

function within(seconds, what, promise) {
  const late = new Promise((_, reject) => setTimeout(() => reject(new Error(`${what} took more than ${seconds} s`)), seconds * 1000).unref());
  return Promise.race([promise, late]);
}

await check("methods are listed", async () => `${(await provider.send("rpc_methods", [])).methods.length} methods`);
await check("a call names its block", async () => {
  const { asOf, data } = await provider.send("subnet_v1_info", []);
  if (!asOf.finalized || data.netuid !== 64) throw new Error(JSON.stringify(asOf));
  return `subnet ${data.netuid} at block ${asOf.block}`;
});
await check("health is Substrate's", async () => {
  const health = await provider.send("system_health", []);
  if (health.isSyncing) throw new Error("the chain is stale");
  return `${health.peers} miners`;
});
await check("a wrong parameter is an error with its code", async () => {
  try {
    await provider.send("subnet_v1_receipts", [null, 1_000]);
  } catch (error) {
    if (error.code !== -32602) throw error;
    return error.message;
  }
  throw new Error("accepted");
});
await check("blocks are told one after the other", () => within(30, "two blocks", new Promise((resolve, reject) => {
  const blocks = [];
  let id;
  const told = (error, note) => {
    if (error) return reject(error);
    if (blocks.at(-1) !== note.asOf.block) blocks.push(note.asOf.block);
    if (blocks.length === 3) provider.unsubscribe("subnet_v1_heads", "subnet_v1_unsubscribeHeads", id).then(() => resolve(blocks.join(", ")), reject);
  };
  provider.subscribe("subnet_v1_heads", "subnet_v1_subscribeHeads", [], told).then((given) => { id = given; }, reject);
})));
await check("usage is told at once", () => within(10, "a note", new Promise((resolve, reject) => {
  provider.subscribe("subnet_v1_usageTick", "subnet_v1_subscribeUsage", [], (error, note) => (error ? reject(error) : resolve(`${note.data.receipts} receipts`))).catch(reject);
})));
await provider.disconnect();
console.log(failed === 0 ? "provider: all good" : `provider: ${failed} failed`);
process.exit(failed === 0 ? 0 : 1);
