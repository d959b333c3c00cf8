// Opens the page of a running demo in headless Chromium, at the width of a phone and of a desk: it must show live data, every figure
// on it must be what the JSON-RPC answers, and those what chain and ledger hold; then pictures are taken.
//
// The chain is halted meanwhile (SIGSTOP), so that all of them speak of the same block.
//
// usage: page.mjs RPC_URL CHAIN_WS_URL NODE_MODULES CHROMIUM CHAIN_PID LEDGER_JSON [PICTURES]

import { createRequire } from "node:module";
import path from "node:path";
import process from "node:process";

const [url, chainUrl, modules, chromiumPath, chainPid, ledgerJson, pictures] = process.argv.slice(2);
const require = createRequire(path.join(modules, "package.json"));
const { chromium } = require("playwright-core");

let failed = 0;
async function check(name, run) {
  try {
    const note = await run();
    console.log(`ok    page  ${name}${note ? `: ${note}` : ""}`);
  } catch (error) {
    failed += 1;
    console.log(`FAIL  page  ${name}: ${error.message ?? error}`);
  }
}
function equal(seen, expected, what) {
  if (JSON.stringify(seen) !== JSON.stringify(expected)) throw new Error(`${what} is ${JSON.stringify(seen)}, not ${JSON.stringify(expected)}`);
}
async function rpcAt(address, method, params) {
  for (;;) {
    const body = JSON.stringify({ jsonrpc: "2.0", id: 1, method, params });
    const answer = await (await fetch(address, { method: "POST", headers: { "content-type": "application/json" }, body })).json();
    if (answer.error?.data?.code === "rate_limited") await new Promise((resume) => setTimeout(resume, answer.error.data.retryAfterMs));
    else if (answer.error) throw new Error(`${method}: ${answer.error.message}`);
    else return answer.result;
  }
}
const rpc = (method, params = []) => rpcAt(url, method, params);
const chain = (method, params = []) => rpcAt(chainUrl.replace(/^ws/, "http"), method, params);
const at = (data, where) => where.split(".").reduce((value, name) => value?.[name], data);

// Twox128 of the chain's names.
const ENTRIES = {
  SubnetTAO: "7a57dce016211512d1700561066b85a3", SubnetAlphaIn: "2ce12f7007574647d692ac7edf8b7a53", SubnetAlphaOut: "7837978cc6746112a2c9e680a18cfcb9",
};

// Which answer each figure of the page comes from.
const PARAMS = {
  subnet_v1_yield: { window: "1d" }, subnet_v1_epochs: { limit: 12 }, subnet_v1_receipts: { limit: 10 },
  subnet_v1_audits: { limit: 20 }, subnet_v1_incidents: { limit: 20 },
};

const browser = await chromium.launch({ executablePath: chromiumPath, args: ["--no-sandbox", "--disable-gpu"] });
const problems = [];
async function open(width, height, theme) {
  const context = await browser.newContext({ viewport: { width, height }, colorScheme: theme, deviceScaleFactor: 1, reducedMotion: "reduce" });
  const page = await context.newPage();
  page.on("console", (message) => message.type() === "error" && problems.push(message.text()));
  page.on("pageerror", (error) => problems.push(error.message));
  page.on("request", (request) => new URL(request.url()).host !== new URL(url).host && problems.push(`asked ${request.url()}`));
  await page.goto(url, { waitUntil: "load" });
  await page.waitForFunction(() => document.querySelectorAll('[aria-busy="true"]').length === 0, null, { timeout: 30_000 });
  return page;
}

/// Every figure of the page, as it was given and as it is read.
const figures = (page) => page.$$eval("[data-method]", (found) => found.map((one) => ({ method: one.dataset.method, path: one.dataset.path, raw: one.dataset.raw, text: one.textContent, section: one.closest("section")?.id })));

const desk = await open(1440, 1000, "light");
await check("it follows the chain live", async () => {
  const block = async () => Number((await desk.textContent("#status-text")).replace(/\D/g, ""));
  const first = await block();
  await desk.waitForFunction((before) => Number(document.querySelector("#status-text").textContent.replace(/\D/g, "")) > before, first, { timeout: 30_000 });
  return `block ${first}, then ${await block()}`;
});
await check("a score is explained", async () => {
  await desk.click("#miners button:text-is('Why')");
  await desk.waitForSelector("#miners tr.why table");
  return (await desk.textContent("#miners tr.why h3")).trim();
});
await check("a receipt is verified in the browser, up to the head that the chain holds", async () => {
  const { data } = await rpc("subnet_v1_epochs", { limit: 12 });
  const committed = data.items.find((item) => item.commitmentState === "onChain");
  const receipts = (await rpc("subnet_v1_receipts", { limit: 100 })).data.items;
  const proved = receipts.find((item) => item.index < committed.receipts);
  await desk.waitForSelector(`#proof-epoch option[value="${committed.epochIndex}"]`, { state: "attached", timeout: 30_000 });
  await desk.fill("#proof-hash", proved.receiptHash);
  await desk.selectOption("#proof-epoch", String(committed.epochIndex));
  await desk.click("#proof button[type=submit]");
  await desk.waitForSelector("#verdict .verdict h3");
  const title = await desk.textContent("#verdict h3");
  const steps = await desk.$$eval("#verdict .steps li", (found) => found.map((one) => one.className));
  if (!title.includes("is in the log") || steps.some((name) => name !== "good")) throw new Error(`${title} ${steps}`);
  return `${title}, ${steps.length} steps`;
});
await check("a receipt that does not exist is refused in words", async () => {
  await desk.fill("#proof-hash", `0x${"00".repeat(32)}`);
  await desk.selectOption("#proof-epoch", "");
  await desk.click("#proof button[type=submit]");
  await desk.waitForFunction(() => document.querySelector("#verdict h3")?.textContent.includes("could not be checked"));
});

// From here on nothing moves: one block for page, JSON-RPC and chain.
process.kill(Number(chainPid), "SIGSTOP");
try {
  await new Promise((resume) => setTimeout(resume, 3_000));
  for (const [width, height, theme, name] of [[1440, 1000, "light", "desk"], [360, 800, "dark", "phone"]]) {
    const page = await open(width, height, theme);
    await check(`the keyboard's first stop at ${width} px leads past the header`, async () => {
      await page.keyboard.press("Tab");
      equal(await page.evaluate(() => document.activeElement.className), "skip", "the first stop of the keyboard");
    });
    await page.click("#pause");
    await check(`every figure at ${width} px is what the JSON-RPC answers`, async () => {
      const shown = await figures(page);
      const answers = new Map();
      for (const { method, section } of shown) {
        const key = `${method} ${section}`;
        if (answers.has(key)) continue;
        const params = method === "subnet_v1_usage" ? { window: "1d", ...(section === "usage" ? { groupBy: "hour" } : {}) } : (PARAMS[method] ?? []);
        answers.set(key, (await rpc(method, params)).data);
      }
      if (shown.length < 80) throw new Error(`only ${shown.length} figures`);
      for (const { method, section, path: where, raw, text } of shown) {
        const value = at(answers.get(`${method} ${section}`), where);
        equal(raw, value === null || value === undefined ? "null" : String(value), `${method} ${where}`);
        if (text.trim() === "") throw new Error(`${method} ${where} shows nothing`);
      }
      return `${shown.length} figures of ${new Set(shown.map((one) => one.method)).size} methods`;
    });
    await check(`nothing is wider than ${width} px`, async () => {
      const wide = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
      if (wide[0] > wide[1]) throw new Error(`${wide[0]} px`);
    });
    await check(`controls have names and texts contrast at ${width} px`, async () => {
      const nameless = await page.$$eval("button, a[href], input, select", (found) => found.filter((one) => !(one.textContent.trim() || one.getAttribute("aria-label") || one.labels?.length)).map((one) => one.outerHTML));
      equal(nameless, [], "controls without a name");
      const low = await page.evaluate(contrasts);
      equal(low, [], "texts with a contrast below 4.5");
    });
    if (pictures) {
      await page.click("#pause");
      await page.evaluate(() => scrollTo(0, 0));
      await page.screenshot({ path: path.join(pictures, `staker-page-${name}.png`), fullPage: false });
      await page.locator("#miners").scrollIntoViewIfNeeded();
      await page.click("#miners button:text-is('Why')");
      await page.waitForSelector("#miners tr.why table");
      await page.evaluate(() => document.querySelector("#miners").scrollIntoView());
      await page.screenshot({ path: path.join(pictures, `staker-page-${name}-why.png`) });
      // A receipt in the tree of the head that the chain holds.
      await page.selectOption("#proof-epoch", { index: 1 });
      await page.click("#receipts .body button >> nth=-1");
      await page.waitForSelector("#verdict .verdict");
      await page.evaluate(() => document.querySelector("#receipts").scrollIntoView());
      await page.screenshot({ path: path.join(pictures, `staker-page-${name}-proof.png`) });
    }
    await page.context().close();
  }
  await check("the ledger's own command counts and hashes the same", async () => {
    const ledger = JSON.parse(ledgerJson);
    const { data } = await rpc("subnet_v1_info");
    equal([data.ledger.receipts, data.ledger.root], [ledger.receipts, ledger.root], "the log");
  });
} finally {
  process.kill(Number(chainPid), "SIGCONT");
}
await check("the chain's own storage holds the same at that block", async () => {
  const { asOf, data } = await rpc("subnet_v1_economics");
  // Twox128 of SubtensorModule and of the entry, then the netuid as it is.
  const netuid = "4000";
  const entry = async (item) => {
    const value = await chain("state_getStorage", [`0x658faa385070e074c85bf6b568cf0555${item}${netuid}`, asOf.blockHash]);
    return BigInt(`0x${Buffer.from((value ?? "0x00").slice(2), "hex").reverse().toString("hex")}`).toString();
  };
  equal(await entry(ENTRIES.SubnetTAO), data.taoInRao, "SubnetTAO");
  equal(await entry(ENTRIES.SubnetAlphaIn), data.alphaInRao, "SubnetAlphaIn");
  equal(await entry(ENTRIES.SubnetAlphaOut), data.alphaOutRao, "SubnetAlphaOut");
  return `block ${asOf.block}`;
});
await check("a lost connection is said and comes back", async () => {
  await desk.context().setOffline(true);
  await desk.evaluate(() => 0);
  await desk.context().setOffline(false);
  await desk.waitForFunction(() => /^Block/.test(document.querySelector("#status-text").textContent), null, { timeout: 30_000 });
});
await check("nothing was asked of another host and nothing failed in the browser", async () => {
  equal(problems.filter((problem) => !/ERR_INTERNET_DISCONNECTED|WebSocket connection/.test(problem)), [], "the browser's complaints");
});
await browser.close();
console.log(failed === 0 ? "page: all good" : `page: ${failed} failed`);
process.exit(failed === 0 ? 0 : 1);

/// Runs in the page: texts whose colour is too close to what is behind them (WCAG 2.1, 1.4.3).
function contrasts() {
  const channel = (value) => ((value /= 255) <= 0.03928 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4);
  const light = ([r, g, b]) => 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
  const parse = (text) => text.match(/[\d.]+/g).map(Number);
  const behind = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const colour = parse(getComputedStyle(at).backgroundColor);
      if (colour.length === 3 || colour[3] > 0) return colour;
    }
    return [255, 255, 255];
  };
  const low = [];
  for (const element of document.querySelectorAll("body *")) {
    const own = [...element.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim());
    if (!own || element.closest("svg, .sr, .skip, noscript") || element.getClientRects().length === 0) continue;
    const [one, other] = [light(parse(getComputedStyle(element).color)), light(behind(element))].sort((a, b) => b - a);
    if ((one + 0.05) / (other + 0.05) < 4.5) low.push(`${element.tagName}.${element.className}: ${element.textContent.trim().slice(0, 30)}`);
  }
  return [...new Set(low)];
}
