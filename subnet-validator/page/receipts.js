// The receipts' list and the explorer, which checks a receipt by itself.

import { el, empty, figure, replace, table } from "./dom.js";
import { count, digest, key, milliseconds, time } from "./format.js";
import { readHead, verifyInclusion } from "./merkle.js";

export function list(answer, pick) {
  const { items } = answer.data;
  if (items.length === 0) return replace("receipts", empty("The log is empty: no call was served yet."));
  const of = (format) => (path) => {
    const raw = path.split(".").reduce((value, name) => value?.[name], answer.data);
    return figure("subnet_v1_receipts", path, raw, raw == null ? null : format(raw));
  };
  replace("receipts", table("Newest receipts", [
    { name: "Place", number: true, cell: (row, index) => of(count)(`items.${index}.index`) },
    { name: "Receipt", cell: (row) => el("code", { title: row.receiptHash }, digest(row.receiptHash)) },
    { name: "When", cell: (row) => time(row.issuedAtMs) },
    { name: "Miner", cell: (row) => el("code", { title: row.miner }, key(row.miner)) },
    { name: "Model", cell: (row) => row.model },
    { name: "Tokens read, written", number: true, cell: (row, index) => el("span", null, of(count)(`items.${index}.promptTokens`), " + ", of(count)(`items.${index}.completionTokens`)) },
    { name: "Last byte", number: true, cell: (row, index) => of(milliseconds)(`items.${index}.observed.lastByteMs`) },
    { name: "Outcome", cell: (row) => el("span", { class: row.counts ? "badge good" : "badge bad" }, row.observed.outcome.replace("_", " ")) },
    { name: "Verify", cell: (row) => el("button", { type: "button", class: "small", "aria-label": `Verify receipt ${row.index} in this browser`, press: () => pick(row.receiptHash) }, "Verify") },
  ], items));
}

function step(good, text, ...more) {
  return el("li", { class: good ? "good" : "bad" }, el("span", { class: "mark", "aria-hidden": "true" }, good ? "✓" : "✗"), el("span", null, el("span", { class: "sr" }, good ? "holds: " : "fails: "), text, ...more));
}

function say(title, good, steps) {
  document.querySelector("#verdict").replaceChildren(el("div", { class: `panel verdict ${good ? "good" : "bad"}` }, el("h3", null, title), el("ol", { class: "steps" }, steps)));
}

/// What the head's own bytes say, compared with the answer that brought them and with the chain.
async function headSteps(epoch) {
  const head = await readHead(epoch.encoded);
  const steps = [
    step(head.digest === epoch.head, "The head's bytes hash to its digest ", el("code", { title: head.digest }, digest(head.digest)), "."),
    step(head.root === epoch.root && head.size === BigInt(epoch.receipts), `They name the root and ${count(epoch.receipts)} receipts.`),
  ];
  const holds = head.digest === epoch.head && head.root === epoch.root && head.size === BigInt(epoch.receipts);
  if (epoch.commitmentState === "onChain") {
    const same = epoch.commitment.sha256 === head.digest;
    steps.push(step(same, `The chain holds that digest since block ${count(epoch.commitment.block)}, says this validator; ask any node for its commitment.`));
    return { head, steps, holds: holds && same };
  }
  const text = epoch.commitmentState === "superseded" ? "A later head's digest is on chain now, which names this one through its predecessors." : "No digest of it is on chain.";
  steps.push(step(epoch.commitmentState === "superseded", text));
  return { head, steps, holds };
}

export async function verifyHead(epoch) {
  try {
    const { steps, holds } = await headSteps(epoch);
    say(`Head of epoch ${count(epoch.epochIndex)}: ${holds ? "holds" : "does NOT hold"}`, holds, steps);
  } catch (error) {
    say("The head could not be checked", false, [step(false, error.message)]);
  }
}

/// Fetches a proof and checks it here. `epoch` is an epoch index as text, or empty for the log as it is.
export async function verifyReceipt(connection, hash, epoch) {
  try {
    const params = epoch === "" ? { hash } : { hash, epoch: Number(epoch) };
    const { data: proof } = await connection.call("subnet_v1_receiptProof", params);
    const checked = await verifyInclusion(proof);
    const steps = [
      step(checked.leaf === proof.leafHash, "The record's bytes hash to the leaf ", el("code", { title: checked.leaf }, digest(checked.leaf)), "."),
      step(checked.holds, `${count(proof.path.length)} siblings lead from place ${count(proof.index)} of ${count(proof.size)} to the root `, el("code", { title: checked.root }, checked.root ? digest(checked.root) : "none"), "."),
    ];
    let holds = checked.holds;
    if (epoch !== "") {
      const { data } = await connection.call("subnet_v1_epoch", [Number(epoch)]);
      const of = await headSteps(data);
      const same = of.head.root === checked.root && of.head.size === BigInt(proof.size);
      steps.push(step(same, `It is the root that the signed head of epoch ${count(epoch)} names.`), ...of.steps);
      holds = holds && same && of.holds;
    }
    say(`Receipt ${digest(hash)}: ${holds ? "is in the log" : "is NOT proved"}`, holds, steps);
  } catch (error) {
    say("The receipt could not be checked", false, [step(false, error.message)]);
  }
}
