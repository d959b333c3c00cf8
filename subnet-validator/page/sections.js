// One function for each section: from an answer of the JSON-RPC to what stands on the page.

import { chart } from "./chart.js";
import { bar, el, empty, figure, replace, table } from "./dom.js";
import { coins, count, digest, key, milliseconds, percent, price, rate, short, speed, time, units } from "./format.js";

const HOUR = 3_600_000;
const at = (data, path) => path.split(".").reduce((value, name) => value?.[name], data);

/// A figure that shows one field of an answer's data.
const show = (method, data, format) => (path) => figure(method, path, at(data, path), at(data, path) == null ? null : format(at(data, path)));

function tile(name, value, note) {
  return el("div", { class: "tile" }, el("dt", null, name), el("dd", null, value), note ? el("dd", { class: "note" }, note) : null);
}

export function glance({ info, economics, percentage, fleet, usage }) {
  const [e, y, i] = [economics.data, percentage?.data, info.data];
  const of = (format) => show("subnet_v1_economics", e, format);
  const left = i.nextEpochBlock === null ? null : i.nextEpochBlock - info.asOf.block;
  const apy = y ? show("subnet_v1_yield", y, rate) : null;
  const split = [["owner", "Owner", "s1"], ["miners", "Miners", "s2"], ["validators", "Validators and stakers", "s3"], ["root", "Root", "s4"]];
  replace("glance",
    el("dl", { class: "tiles" },
      tile("Alpha price", el("span", null, of(price)("priceRao"), " τ"), el("span", null, "average ", of(price)("emaPriceRao"), " τ")),
      tile("APY of this validator", y ? (y.percentPerYear === null ? el("span", null, apy("percentPerEpoch"), " an epoch") : apy("percentPerYear")) : el("span", { class: "none" }, "no permit"),
        y ? el("span", null, y.percentPerYear === null ? "too fast a chain to tell a year; " : el("span", null, apy("percentPerEpoch"), " an epoch; "), show("subnet_v1_yield", y, count)("epochsPaid"), " of ", show("subnet_v1_yield", y, count)("epochsSeen"), " epochs paid") : null),
      tile("Emission share", of((value) => percent(value, 3))("emissionShare"), el("span", null, "rank ", of(count)("emissionRank"), " of ", of(count)("subnets"), e.tier === null ? "" : el("span", null, ", tier ", of(count)("tier")))),
      tile("Staked", el("span", null, of(short)("alphaOutRao"), " α"), el("span", null, "worth ", of(short)("marketCapRao"), " τ with the pool")),
      tile("Pool", el("span", null, of(short)("taoInRao"), " τ"), el("span", null, of(short)("alphaInRao"), " α")),
      tile("Miners online", show("subnet_v1_fleet", fleet.data, count)("online"), el("span", null, "of ", show("subnet_v1_fleet", fleet.data, count)("miners"), " with an axon")),
      tile("Calls, 24 hours", show("subnet_v1_usage", usage.data, count)("total.service.requests"), el("span", null, show("subnet_v1_usage", usage.data, count)("total.completionTokens"), " tokens written")),
      tile("Next epoch", left === null ? el("span", { class: "none" }, "never") : el("span", null, el("span", { class: "n", "data-blocks-left": left }, count(Math.max(left, 0))), " blocks"), el("span", null, "epoch ", show("subnet_v1_info", i, count)("epochIndex"), ", tempo ", show("subnet_v1_info", i, count)("tempo"))),
    ),
    el("div", { class: "panel" },
      el("h3", null, "Who gets the alpha: ", of(short)("alphaOutPerDayRao"), " α a day"),
      bar(split.map(([name, text, kind]) => ({ name: text, value: Number(e.split[name]), kind, text: percent(e.split[name]) })), "How the alpha is divided"),
      el("ul", { class: "legend" }, split.map(([name, text, kind]) => el("li", null, el("span", { class: `swatch ${kind}`, "aria-hidden": "true" }), text, " ", of(percent)(`split.${name}`)))),
    ),
  );
}

export function usage(answer, window) {
  const { rows, startMs, total } = answer.data;
  const step = window === "1d" ? HOUR : 24 * HOUR;
  const of = show("subnet_v1_usage", answer.data, count);
  const bars = rows.map((row) => ({ key: row.key, delivered: row.service.delivered, failed: row.service.requests - row.service.delivered }));
  replace("usage",
    el("dl", { class: "tiles small" },
      tile("Calls", of("total.service.requests")), tile("Delivered", of("total.service.delivered")),
      tile("Tokens read", of("total.promptTokens")), tile("Tokens written", of("total.completionTokens")),
      tile("Compute units", show("subnet_v1_usage", answer.data, units)("total.computeUnits")),
      tile("First byte, p99", show("subnet_v1_usage", answer.data, milliseconds)("total.service.firstByteMsP99"))),
    total.service.requests === 0 ? empty("No calls in this time.") : chart(bars, { start: startMs, end: answer.asOf.timestamp, step, name: "Calls", width: document.querySelector("#usage").clientWidth - 28 }),
    total.service.requests === 0 ? null : el("details", null, el("summary", null, "The chart as a table"), table("Calls by time", [
      { name: step === HOUR ? "Hour" : "Day", cell: (row) => time(row.key) },
      { name: "Calls", number: true, cell: (row, index) => of(`rows.${index}.service.requests`) },
      { name: "Delivered", number: true, cell: (row, index) => of(`rows.${index}.service.delivered`) },
      { name: "Tokens written", number: true, cell: (row, index) => of(`rows.${index}.completionTokens`) },
    ], rows)));
}

export function models(answer) {
  const { models: list, devices } = answer.data;
  const of = (format) => show("subnet_v1_fleet", answer.data, format);
  if (list.length === 0) return replace("models", empty("The catalogue is empty."));
  replace("models",
    table("Models of the catalogue", [
      { name: "Model", cell: (row) => el("span", { class: "strong" }, row.id) },
      { name: "State", cell: (row) => el("span", { class: row.hot ? "badge good" : "badge" }, row.hot ? "hot" : "cold") },
      { name: "Holders", number: true, cell: (row, index) => of(count)(`models.${index}.holders`) },
      { name: "At once", number: true, cell: (row, index) => of(count)(`models.${index}.slots`) },
      { name: "Calls", number: true, cell: (row, index) => of(count)(`models.${index}.service.requests`) },
      { name: "Tokens written", number: true, cell: (row, index) => of(count)(`models.${index}.completionTokens`) },
      { name: "First byte p50", number: true, cell: (row, index) => of(milliseconds)(`models.${index}.service.firstByteMsP50`) },
      { name: "Demand", cell: (row, index) => el("span", { class: "withbar" }, bar([{ name: "demand", value: Number(row.demandShare), whole: 1, kind: "s2" }], `Demand for ${row.id}`), of(percent)(`models.${index}.demandShare`)) },
    ], list),
    devices.length === 0 ? null : el("p", { class: "lead" }, "Devices, as the miners claim: ", devices.map((device, index) => el("span", { class: "badge" }, device.device, " × ", of(count)(`devices.${index}.miners`)))));
}

const TERMS = [["compute", "Compute", "s1"], ["invocations", "Calls", "s2"], ["uniqueModels", "Models", "s3"], ["bounties", "Bounties", "s4"]];

export function miners(answer, why) {
  const { items } = answer.data;
  if (items.length === 0) return replace("miners", empty("Nobody but this validator is registered."));
  const of = (format) => show("subnet_v1_miners", answer.data, format);
  const best = Math.max(1, ...items.map((row) => row.score?.basisPoints ?? 0));
  const opened = document.querySelector("#miners tr.why")?.dataset.hotkey;
  if (opened) return;
  replace("miners",
    el("ul", { class: "legend" }, TERMS.map(([, text, kind]) => el("li", null, el("span", { class: `swatch ${kind}`, "aria-hidden": "true" }), text))),
    table("Miners", [
      { name: "Uid", number: true, cell: (row, index) => of(count)(`items.${index}.uid`) },
      { name: "Hotkey", cell: (row) => el("code", { title: row.hotkey }, key(row.hotkey)) },
      { name: "Now", cell: (row) => el("span", { class: row.online ? "badge good" : "badge" }, row.online ? "online" : "offline") },
      { name: "Score of 10 000", number: true, cell: (row, index) => row.score === null ? el("span", { class: "none" }, "none") : el("span", { class: "withbar" },
        bar(TERMS.map(([name, text, kind]) => ({ name: text, value: row.score.termsBps[name], whole: best, kind })), `Score of uid ${row.uid}`), of(count)(`items.${index}.score.basisPoints`)) },
      { name: "Incentive", number: true, cell: (row, index) => of((value) => percent(String(value / 65_535)))(`items.${index}.incentive`) },
      { name: "Earned, α an epoch", number: true, cell: (row, index) => of(coins)(`items.${index}.emissionRao`) },
      { name: "Calls, 24 h", number: true, cell: (row, index) => of(count)(`items.${index}.service.requests`) },
      { name: "Delivered", number: true, cell: (row, index) => of(percent)(`items.${index}.service.successRate`) },
      { name: "First byte p50, p99", number: true, cell: (row, index) => el("span", null, of(milliseconds)(`items.${index}.service.firstByteMsP50`), " / ", of(milliseconds)(`items.${index}.service.firstByteMsP99`)) },
      { name: "Speed", number: true, cell: (row, index) => of(speed)(`items.${index}.service.decitokensPerSecondP50`) },
      { name: "Models", cell: (row) => row.models.length === 0 ? el("span", { class: "none" }, "none") : row.models.join(", ") },
      { name: "Why", cell: (row) => row.score === null ? null : el("button", { type: "button", class: "small", "aria-expanded": "false", "aria-label": `Why uid ${row.uid} has its score`, press: (event) => why(row, event.currentTarget) }, "Why") },
    ], items));
}

/// The row below a miner: its terms and its receipts.
export function explanation(answer, columns) {
  const { data } = answer;
  const of = (format) => show("subnet_v1_scoreExplain", data, format);
  const names = Object.fromEntries(TERMS.map(([name, text]) => [name, text]));
  return el("tr", { class: "why", "data-hotkey": data.minerHotkey }, el("td", { colspan: columns }, el("div", { class: "panel" },
    el("h3", null, of(count)("score.basisPoints"), " points, so weight ", of(count)("weight"), " of 65 535"),
    table("Terms of the score", [
      { name: "Term", cell: (row) => names[row.name] },
      { name: "Miner's value", number: true, cell: (row, index) => of(count)(`terms.${index}.value`) },
      { name: "All miners", number: true, cell: (row, index) => of(count)(`terms.${index}.total`) },
      { name: "Weight, basis points", number: true, cell: (row, index) => of(count)(`terms.${index}.weightBps`) },
      { name: "Points", number: true, cell: (row, index) => of(count)(`terms.${index}.pointsBps`) },
    ], data.terms),
    data.receipts.items.length === 0 ? empty("No receipts in the window.") : table("Newest receipts, and what each is worth", [
      { name: "Receipt", cell: (row) => el("a", { href: `#receipt=${row.receiptHash}`, title: row.receiptHash }, `#${row.index}`) },
      { name: "When", cell: (row) => time(row.issuedAtMs) },
      { name: "Model", cell: (row) => row.model },
      { name: "Tokens read, written", number: true, cell: (row, index) => el("span", null, of(count)(`receipts.items.${index}.promptTokens`), " + ", of(count)(`receipts.items.${index}.completionTokens`)) },
      { name: "Compute units", number: true, cell: (row, index) => of(units)(`receipts.items.${index}.computeUnits`) },
      { name: "Counts", cell: (row) => row.counts ? el("span", { class: "badge good" }, "counts") : el("span", { class: "badge bad" }, row.reason) },
    ], data.receipts.items))));
}

export function validators(answer) {
  const { items } = answer.data;
  if (items.length === 0) return replace("validators", empty("No validator has a permit yet. Permits are given at the end of a tempo."));
  const of = (format) => show("subnet_v1_validators", answer.data, format);
  replace("validators", table("Validators", [
    { name: "Uid", number: true, cell: (row, index) => of(count)(`items.${index}.uid`) },
    { name: "Hotkey", cell: (row) => el("span", null, el("code", { title: row.hotkey }, key(row.hotkey)), row.isSelf ? el("span", { class: "badge good" }, "this one") : null) },
    { name: "Stake, α", number: true, cell: (row, index) => of(short)(`items.${index}.stakeRao`) },
    { name: "Trust", number: true, cell: (row, index) => of(percent)(`items.${index}.validatorTrust`) },
    { name: "Dividends", number: true, cell: (row, index) => of(percent)(`items.${index}.dividends`) },
    { name: "Take", number: true, cell: (row, index) => of(percent)(`items.${index}.take`) },
    { name: "Growth an epoch", number: true, cell: (row, index) => of(rate)(`items.${index}.percentPerEpoch`) },
    { name: "Weights set", number: true, cell: (row, index) => el("span", null, of(count)(`items.${index}.blocksSinceUpdate`), " blocks ago") },
    { name: "Committed head", cell: (row) => row.commitment ? el("code", { title: row.commitment.sha256 }, digest(row.commitment.sha256)) : el("span", { class: "none" }, "none") },
  ], items));
}

const STATES = { onChain: ["good", "on chain"], superseded: ["", "superseded"], missing: ["bad", "not on chain"] };

export function epochs(answer, verify) {
  const { items } = answer.data;
  if (items.length === 0) return replace("epochs", empty("No head yet: the first is cut when a receipt counts and weights are first set."));
  const of = (format) => show("subnet_v1_epochs", answer.data, format);
  replace("epochs", table("Heads, newest first", [
    { name: "Epoch", number: true, cell: (row, index) => of(count)(`items.${index}.epochIndex`) },
    { name: "Head", cell: (row) => el("code", { title: row.head }, digest(row.head)) },
    { name: "Receipts", number: true, cell: (row, index) => of(count)(`items.${index}.receipts`) },
    { name: "Merkle root", cell: (row) => el("code", { title: row.root }, digest(row.root)) },
    { name: "Block", number: true, cell: (row, index) => of(count)(`items.${index}.block`) },
    { name: "Registered", number: true, cell: (row, index) => of(count)(`items.${index}.miners`) },
    { name: "Commitment", cell: (row) => el("span", null, el("span", { class: `badge ${STATES[row.commitmentState][0]}` }, STATES[row.commitmentState][1]), row.commitmentState === "onChain" ? ` block ${count(row.commitment.block)}` : null) },
    { name: "Check", cell: (row) => el("button", { type: "button", class: "small", "aria-label": `Check the head of epoch ${row.epochIndex} in this browser`, press: (event) => verify(row, event.currentTarget) }, "Check") },
  ], items));
}

export function audits(verdicts, exports) {
  const of = (format) => show("subnet_v1_audits", verdicts.data, format);
  const ex = (format) => show("subnet_v1_exports", exports.data, format);
  const { items } = verdicts.data;
  const { bundles } = exports.data;
  replace("audits",
    items.length === 0 ? empty("This validator has reviewed nobody yet: subnet-validator audit fetch, then audit review.") : table("Verdicts, newest first", [
      { name: "Validator", cell: (row) => (row.validator ? el("code", { title: row.validator }, key(row.validator)) : el("span", { class: "none" }, "unreadable")) },
      { name: "Epoch", number: true, cell: (row, index) => of(count)(`items.${index}.epochIndex`) },
      { name: "Receipts checked", number: true, cell: (row, index) => of(count)(`items.${index}.leaves`) },
      { name: "Verdict", cell: (row) => el("span", { class: row.agreed ? "badge good" : "badge bad" }, row.agreed ? "agrees" : "disagrees") },
      { name: "With the chain", cell: (row) => (row.comparedWithChain ? "compared" : "files only") },
      { name: "Findings", cell: (row) => row.findings.join("; ") || el("span", { class: "none" }, "none") },
      { name: "When", cell: (row) => time(row.reviewedAtMs) },
    ], items),
    bundles.length === 0 ? empty("No bundle is published yet.") : table("Bundles on this validator's gateway", [
      { name: "Epoch", number: true, cell: (row, index) => ex(count)(`bundles.${index}.epochIndex`) },
      { name: "Head", cell: (row) => el("code", { title: row.head }, digest(row.head)) },
      { name: "Files", number: true, cell: (row) => count(row.files.length) },
      { name: "Bytes", number: true, cell: (row, index) => ex(count)(`bundles.${index}.bytes`) },
      { name: "Manifest", cell: (row) => el("code", null, row.manifestPath) },
    ], bundles));
}

export function incidents(answer) {
  const { items } = answer.data;
  if (items.length === 0) return replace("incidents", empty("Nothing went wrong that this validator saw."));
  replace("incidents", table("Incidents, newest first", [
    { name: "When", cell: (row) => time(row.atMs) },
    { name: "Kind", cell: (row) => el("span", { class: /Back|Online/.test(row.kind) ? "badge good" : "badge bad" }, row.kind.replace(/([A-Z])/g, " $1").toLowerCase()) },
    { name: "Block", number: true, cell: (row, index) => show("subnet_v1_incidents", answer.data, count)(`items.${index}.block`) },
    { name: "Who", cell: (row) => (row.hotkey ? el("code", { title: row.hotkey }, key(row.hotkey)) : el("span", { class: "none" }, "this validator")) },
    { name: "What", cell: (row) => row.detail },
  ], items));
}
