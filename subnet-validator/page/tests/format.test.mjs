import assert from "node:assert/strict";
import { test } from "node:test";

import { coins, milliseconds, percent, price, rate, short, speed, units } from "../format.js";

const plain = (text) => text.replaceAll("\u202f", " ");

test("amounts keep every digit that is shown", () => {
  assert.equal(plain(coins("18446744073709551615")), "18 446 744 073.709");
  assert.equal(coins("1", 9), "0.000000001");
  assert.equal(coins("1999999999", 0), "1");
  assert.equal(price("48123456"), "0.048123");
  assert.equal(price("1234567890"), "1.2345");
  assert.equal(plain(short("1234567000000000")), "1.23 M");
  assert.equal(plain(short("15999000000000")), "15.99 k");
  assert.equal(plain(short("999000000000")), "999.00");
});

test("fractions become percentages without rounding up", () => {
  assert.equal(percent("0.179995"), "17.99 %");
  assert.equal(percent("1.000000"), "100.00 %");
  assert.equal(percent("0.010000", 3), "1.000 %");
  assert.equal(rate("12.345678"), "12.34 %");
  assert.equal(rate("0.006512"), "0.0065 %");
  assert.equal(plain(rate("123456.789012")), "123 456 %");
});

test("times, speeds and units are told in words that fit", () => {
  assert.equal(milliseconds(null), "none");
  assert.equal(plain(milliseconds(1234)), "1 234 ms");
  assert.equal(milliseconds(12345), "12.3 s");
  assert.equal(speed(123), "12.3/s");
  assert.equal(plain(units("4250999")), "4 250");
});
