// From what the JSON-RPC says to what people read. Amounts are never made floating point numbers: they have up to 20 digits.

const group = (digits) => digits.replace(/\B(?=(\d{3})+(?!\d))/g, "\u202f");

/// Rao, as decimal digits, in whole units with so many decimals, rounded down.
export function coins(rao, decimals = 3) {
  const digits = String(rao).padStart(10, "0");
  const [whole, part] = [digits.slice(0, -9), digits.slice(-9, digits.length - 9 + decimals)];
  return decimals > 0 ? `${group(whole)}.${part}` : group(whole);
}

/// An amount of coins with as many decimals as tell something.
export function price(rao) {
  const value = BigInt(rao);
  if (value >= 1_000_000_000_000n) return coins(rao, 0);
  return coins(rao, value >= 1_000_000_000n ? 4 : 6);
}

/// A large amount in three digits: 1.23 M.
export function short(rao) {
  const whole = BigInt(rao) / 1_000_000_000n;
  for (const [unit, size] of [["B", 1_000_000_000n], ["M", 1_000_000n], ["k", 10_000n]]) {
    const step = unit === "k" ? 1_000n : size;
    if (whole >= size) {
      const hundredths = (whole * 100n) / step;
      return `${group(String(hundredths / 100n))}.${String(hundredths % 100n).padStart(2, "0")} ${unit}`;
    }
  }
  return coins(rao, 2);
}

/// A fraction of one, as a decimal text, in percent with so many decimals, rounded down.
export function percent(fraction, decimals = 2) {
  const [whole, part] = String(fraction).split(".");
  const millionths = BigInt(whole) * 1_000_000n + BigInt((part ?? "").padEnd(6, "0").slice(0, 6));
  const scaled = millionths / 10n ** BigInt(4 - decimals);
  const digits = String(scaled).padStart(decimals + 1, "0");
  return decimals > 0 ? `${group(digits.slice(0, -decimals))}.${digits.slice(-decimals)} %` : `${group(digits)} %`;
}

/// A percentage as a decimal text; small ones with more decimals.
export function rate(text) {
  const [whole, part] = String(text).split(".");
  const decimals = whole.replace("-", "").length > 3 ? 0 : whole === "0" ? 4 : 2;
  return `${group(whole)}${decimals ? `.${(part ?? "").padEnd(decimals, "0").slice(0, decimals)}` : ""} %`;
}

export const count = (value) => group(String(value));

/// Thousandths of a compute unit in whole ones.
export const units = (milli) => group(String(BigInt(milli) / 1000n));

export const key = (text) => `${text.slice(0, 6)}…${text.slice(-4)}`;
export const digest = (text) => `${text.slice(0, 10)}…${text.slice(-6)}`;

export function time(ms) {
  const date = new Date(Number(ms));
  return `${date.toISOString().slice(0, 16).replace("T", " ")} UTC`;
}

export const milliseconds = (value) => (value === null ? "none" : value >= 10_000 ? `${(value / 1000).toFixed(1)} s` : `${group(String(value))} ms`);

/// Tenths of tokens a second.
export const speed = (tenths) => (tenths === null ? "none" : `${group(String(Math.floor(tenths / 10)))}.${tenths % 10}/s`);
