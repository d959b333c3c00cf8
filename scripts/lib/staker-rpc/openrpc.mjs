// Calls every method of a running validator's JSON-RPC by its own OpenRPC document, with the specification's test tool: answers must
// match their schemas. Methods that need a receipt, a key or a tempo get one from the running validator as an example.
//
// usage: openrpc.mjs RPC_URL NODE_MODULES

import { createRequire } from "node:module";
import path from "node:path";
import process from "node:process";

const [url, modules] = process.argv.slice(2);
const require = createRequire(path.join(modules, "package.json"));
const coverage = require("@open-rpc/test-coverage").default;
const { parseOpenRPCDocument } = require("@open-rpc/schema-utils-js");
const { default: EmptyReporter } = require("@open-rpc/test-coverage/build/reporters/emptyReporter");

async function rpc(method, params = []) {
  const body = JSON.stringify({ jsonrpc: "2.0", id: 1, method, params });
  const response = await fetch(url, { method: "POST", headers: { "content-type": "application/json" }, body });
  return response.json();
}
const data = async (method, params) => (await rpc(method, params)).result.data;

const raw = (await rpc("rpc.discover")).result;
const document = await parseOpenRPCDocument(structuredClone(raw));
document.servers = [{ name: "validator", url }];

const [receipts, epochs, validators, miners] = await Promise.all(
  ["receipts", "epochs", "validators", "miners"].map((name) => data(`subnet_v1_${name}`)),
);
const examples = {
  hash: receipts.items[0]?.receiptHash,
  epoch: epochs.items[0]?.epochIndex,
  coldkey: validators.items[0]?.coldkey,
  minerHotkey: miners.items[0]?.hotkey,
  amount: "1000000000",
};
for (const method of document.methods) {
  const required = method.params.filter((param) => param.required);
  if (required.length === 0) continue;
  const of = { ...examples, hotkey: method.name === "subnet_v1_validator" ? validators.items[0]?.hotkey : miners.items[0]?.hotkey };
  const params = required.map((param) => ({ name: param.name, value: of[param.name] }));
  if (params.some((param) => param.value === undefined)) continue;
  // The result is another each time: the tool then compares it with the schema.
  method.examples = [{ name: "from this validator", params, result: { name: "any", value: {} } }];
}
// What is left out of parameters is left out: made-up cursors and hotkeys are refused, which the unit tests show.
for (const method of document.methods) {
  if (!method.examples && method.params.some((param) => !param.required)) {
    method.examples = [{ name: "without parameters", params: [], result: { name: "any", value: {} } }];
  }
}

// The tool calls by HTTP, where there are no subscriptions.
const skip = document.methods.map((method) => method.name).filter((name) => /ubscribe/.test(name));
const calls = [];
const transport = async (_, method, params) => {
  for (;;) {
    const answer = await rpc(method, params);
    if (answer.error?.data?.code !== "rate_limited") return answer;
    await new Promise((resume) => setTimeout(resume, answer.error.data.retryAfterMs));
  }
};
const reporter = new EmptyReporter();
reporter.onTestEnd = (_, call) => calls.push(call);
await coverage({ openrpcDocument: document, transport, reporters: [reporter], skip, only: [] });

for (const call of calls) {
  const good = call.valid && call.result !== undefined && !call.error;
  console.log(`${good ? "ok   " : "FAIL "} openrpc  ${call.methodName}${good ? "" : `: ${call.reason ?? JSON.stringify(call.error ?? call.requestError)}`}`);
}
const called = new Set(calls.map((call) => call.methodName));
const missed = document.methods.map((method) => method.name).filter((name) => !called.has(name) && !skip.includes(name));
if (missed.length > 0) console.log(`FAIL  openrpc  not called: ${missed.join(", ")}`);
const bad = calls.filter((call) => !call.valid || call.result === undefined || call.error).length + missed.length;
console.log(`${calls.length} calls of ${called.size} methods, ${bad} failed`);
process.exit(bad === 0 && called.size > 25 ? 0 : 1);
