// Connects, asks, and keeps the page current. What the validator tells decides when to ask again; never more often than every few
// seconds, so that one open page costs a validator next to nothing.

import { failure, replace } from "./dom.js";
import { count, key } from "./format.js";
import * as receipts from "./receipts.js";
import { Connection, all } from "./rpc.js";
import * as sections from "./sections.js";

const REFRESH_MS = 4_000;
const STALE_SECONDS = 120;

const page = { window: "1d", paused: false, live: false, block: null, readAt: 0, heldBack: new Set(), timers: new Map() };
const byId = (id) => document.getElementById(id);

// -- light and dark ----------------------------------------------------------------------------------------------------

const dark = () => (document.documentElement.dataset.theme ?? (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")) === "dark";
const nameTheme = () => { byId("theme").textContent = dark() ? "Light" : "Dark"; };
try {
  const kept = localStorage.getItem("theme");
  if (kept) document.documentElement.dataset.theme = kept;
} catch { /* A browser that keeps nothing follows the system. */ }
nameTheme();
byId("theme").addEventListener("click", () => {
  document.documentElement.dataset.theme = dark() ? "light" : "dark";
  try { localStorage.setItem("theme", document.documentElement.dataset.theme); } catch { /* As above. */ }
  nameTheme();
});

// -- connection --------------------------------------------------------------------------------------------------------

const scheme = location.protocol === "https:" ? "wss:" : "ws:";
const connection = new Connection(`${scheme}//${location.host}/`, (state) => {
  page.live = state === "open";
  status();
  if (page.live) for (const part of Object.keys(parts)) refresh(part, 0);
});

function status() {
  const age = Math.max(0, Math.round((Date.now() - page.readAt) / 1000));
  const stale = page.block !== null && age > STALE_SECONDS;
  const [kind, text] = !page.live ? ["lost", "Reconnecting"] : stale ? ["stale", `Stale: no block for ${age} s`] : page.paused ? ["paused", "Paused"] : page.block === null ? ["wait", "Connected"] : ["live", `Block ${count(page.block)}`];
  byId("status").className = `status ${kind}`;
  if (byId("status-text").textContent !== text) byId("status-text").textContent = text;
}
setInterval(status, 1_000);

function seen({ asOf }) {
  // Answers of one section may be a block behind another's.
  if (page.block === null || asOf.block >= page.block) {
    page.block = asOf.block;
    page.readAt = Date.now() - asOf.staleSeconds * 1000;
    byId("asof").textContent = `Finalised block ${count(asOf.block)} (${asOf.blockHash.slice(0, 10)}…), ${count(asOf.receipts)} receipts, as validator ${key(asOf.validatorHotkey)} has them.`;
  }
  status();
}

// -- sections ----------------------------------------------------------------------------------------------------------

const parts = {
  glance: async () => {
    const [info, economics, fleet, usage] = await Promise.all([
      connection.call("subnet_v1_info"), connection.call("subnet_v1_economics"), connection.call("subnet_v1_fleet"), connection.call("subnet_v1_usage", { window: "1d" }),
    ]);
    const percentage = await connection.call("subnet_v1_yield", { window: "1d" }).catch((error) => {
      if (error.code === "not_found") return null;
      throw error;
    });
    byId("title").textContent = `Subnet ${info.data.netuid}`;
    document.title = `Subnet ${info.data.netuid}`;
    sections.glance({ info, economics, percentage, fleet, usage });
    sections.models(fleet);
    seen(info);
  },
  usage: async () => {
    const groupBy = page.window === "1d" ? "hour" : "day";
    sections.usage(await connection.call("subnet_v1_usage", { window: page.window, groupBy }), page.window);
  },
  miners: async () => sections.miners(await all(connection, "subnet_v1_miners", {}), why),
  validators: async () => sections.validators(await connection.call("subnet_v1_validators")),
  epochs: async () => {
    const answer = await connection.call("subnet_v1_epochs", { limit: 12 });
    sections.epochs(answer, receipts.verifyHead);
    const select = byId("proof-epoch");
    const known = answer.data.items.map((item) => String(item.epochIndex));
    const chosen = known.includes(select.value) ? select.value : "";
    select.replaceChildren(new Option("the log as it is", ""), ...known.map((index) => new Option(`head of epoch ${index}`, index)));
    select.value = chosen;
  },
  receipts: async () => receipts.list(await connection.call("subnet_v1_receipts", { limit: 10 }), (hash) => {
    byId("proof-hash").value = hash;
    return verify();
  }),
  audits: async () => {
    const [verdicts, exports] = await Promise.all([connection.call("subnet_v1_audits", { limit: 20 }), connection.call("subnet_v1_exports")]);
    sections.audits(verdicts, exports);
  },
  incidents: async () => sections.incidents(await connection.call("subnet_v1_incidents", { limit: 20 })),
};

/// Asks again for a part, at most once every REFRESH_MS.
function refresh(part, wait = REFRESH_MS) {
  if (page.paused) return void page.heldBack.add(part);
  if (page.timers.has(part)) return;
  page.timers.set(part, setTimeout(async () => {
    page.timers.delete(part);
    if (page.paused) return void page.heldBack.add(part);
    try {
      await parts[part]();
    } catch (error) {
      if (error.code === "closed") return;
      if (error.code === "rate_limited" || error.code === "not_ready" || error.code === "timeout") return refresh(part, Math.max(error.retryAfterMs ?? 0, REFRESH_MS));
      replace(part, failure(`This could not be read: ${error.message}.`));
      refresh(part, 4 * REFRESH_MS);
    }
  }, wait));
}

connection.subscribe("Heads", (note) => { if (!page.paused) { seen(note); refresh("glance"); } });
connection.subscribe("Epochs", () => ["validators", "miners", "epochs", "audits"].forEach((part) => refresh(part)));
connection.subscribe("Usage", () => ["usage", "receipts", "miners"].forEach((part) => refresh(part)));
connection.subscribe("Fleet", () => ["miners", "glance"].forEach((part) => refresh(part)));
connection.subscribe("Audits", () => refresh("audits"));
connection.subscribe("Incidents", () => refresh("incidents"));
setInterval(() => refresh("epochs"), 5 * REFRESH_MS);

// -- what people press -------------------------------------------------------------------------------------------------

byId("pause").addEventListener("click", () => {
  page.paused = !page.paused;
  byId("pause").setAttribute("aria-pressed", String(page.paused));
  byId("pause").textContent = page.paused ? "Go on" : "Pause";
  if (!page.paused) {
    for (const part of page.heldBack) refresh(part, 0);
    page.heldBack.clear();
  }
  status();
});

for (const button of document.querySelectorAll("#usage [data-window]")) {
  button.addEventListener("click", () => {
    page.window = button.dataset.window;
    for (const other of document.querySelectorAll("#usage [data-window]")) other.setAttribute("aria-pressed", String(other === button));
    parts.usage().catch(() => refresh("usage"));
  });
}

async function why(miner, button) {
  const row = button.closest("tr");
  const open = row.nextElementSibling;
  if (open?.classList.contains("why")) {
    open.remove();
    button.setAttribute("aria-expanded", "false");
    return;
  }
  button.disabled = true;
  try {
    const answer = await connection.call("subnet_v1_scoreExplain", { minerHotkey: miner.hotkey, limit: 20 });
    row.after(sections.explanation(answer, row.children.length));
    button.setAttribute("aria-expanded", "true");
  } catch (error) {
    replace("miners", failure(`The score could not be explained: ${error.message}.`));
  } finally {
    button.disabled = false;
  }
}

function verify() {
  const hash = byId("proof-hash").value.trim().toLowerCase();
  return receipts.verifyReceipt(connection, hash, byId("proof-epoch").value).then(() => byId("verdict").scrollIntoView({ block: "nearest" }));
}
byId("proof").addEventListener("submit", (event) => {
  event.preventDefault();
  void verify();
});

function follow() {
  const hash = /^#receipt=(0x[0-9a-f]{64})$/i.exec(location.hash)?.[1];
  if (!hash) return;
  byId("proof-hash").value = hash;
  byId("receipts").scrollIntoView();
  void verify();
}
addEventListener("hashchange", follow);
