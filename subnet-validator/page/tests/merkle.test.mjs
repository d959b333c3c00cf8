// The page's checks against vectors that the protocol's Rust code made. `node --test subnet-validator/page/tests/`

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { bytesOf, hexOf, leafHash, readHead, rootOf, verifyInclusion } from "../merkle.js";

const vectors = JSON.parse(readFileSync(new URL("./vectors.json", import.meta.url)));
const proofOf = (proof) => ({ ...proof, encoded: vectors.records[proof.index] });

test("every leaf of every tree leads to the root that Rust computed", async () => {
  assert.ok(vectors.proofs.length > 30);
  for (const proof of vectors.proofs) {
    const checked = await verifyInclusion(proofOf(proof));
    assert.deepEqual(checked, { leaf: proof.leafHash, root: proof.root, holds: true }, `${proof.index} of ${proof.size}`);
  }
});

test("nothing that was altered is proved", async () => {
  for (const proof of vectors.proofs.filter(({ path }) => path.length > 0)) {
    const flip = (hex) => hex.slice(0, -1) + (hex.endsWith("0") ? "1" : "0");
    const altered = [
      { ...proofOf(proof), encoded: flip(vectors.records[proof.index]) },
      { ...proofOf(proof), root: flip(proof.root) },
      { ...proofOf(proof), leafHash: flip(proof.leafHash) },
      { ...proofOf(proof), path: proof.path.slice(1) },
      { ...proofOf(proof), path: [...proof.path, proof.root] },
      { ...proofOf(proof), path: [flip(proof.path[0]), ...proof.path.slice(1)] },
      { ...proofOf(proof), index: (proof.index + 1) % proof.size },
      { ...proofOf(proof), index: proof.size },
    ];
    for (const [number, one] of altered.entries()) {
      assert.equal((await verifyInclusion(one)).holds, false, `${proof.index} of ${proof.size}, alteration ${number}`);
    }
  }
});

test("places beyond 2^53 are not rounded", async () => {
  const leaf = await leafHash(Uint8Array.of(1));
  const path = Array.from({ length: 60 }, () => new Uint8Array(32));
  const even = await rootOf(leaf, (1n << 59n), 1n << 60n, path);
  const odd = await rootOf(leaf, (1n << 59n) + 1n, 1n << 60n, path);
  assert.notEqual(hexOf(even), hexOf(odd));
});

test("a signed head is read as Rust wrote it, and hashes to what is committed on chain", async () => {
  const { encoded, digest, root, size, epochIndex } = vectors.head;
  assert.deepEqual(await readHead(encoded), { epochIndex: BigInt(epochIndex), size: BigInt(size), root, digest });
  await assert.rejects(readHead("0x00"));
  assert.throws(() => bytesOf("0x0g"));
});
