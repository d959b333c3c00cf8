// Checks of receipts by themselves: RFC 6962 leaves and inclusion proofs, and the head that signs a root. SHA-256 is the browser's
// (WebCrypto), which exists on https and on localhost.

const NODES_MAX = 65;
// `Domain::TreeHead` of the protocol, and where the fields of a head stand in its SCALE bytes.
const HEAD_DOMAIN = "SN_TREE_HEAD_V1\0";
const HEAD = { epochIndex: 34, block: 42, size: 82, root: 90, end: 122, signatureBytes: 64 };

export function bytesOf(hex) {
  if (!/^0x([0-9a-f]{2})*$/i.test(hex)) throw new Error("not hexadecimal digits");
  return Uint8Array.from(hex.slice(2).match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
}

export const hexOf = (bytes) => `0x${Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("")}`;

function join(...parts) {
  const joined = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    joined.set(part, at);
    at += part.length;
  }
  return joined;
}

async function sha256(...parts) {
  if (!globalThis.crypto?.subtle) throw new Error("this browser has SHA-256 on https and localhost only: open the page there");
  return new Uint8Array(await globalThis.crypto.subtle.digest("SHA-256", join(...parts)));
}

export const leafHash = (record) => sha256(Uint8Array.of(0), record);
export const nodeHash = (left, right) => sha256(Uint8Array.of(1), left, right);

/// The root that a leaf and a path lead to, or null where the path has not the length that the place asks for. Places are BigInt or
/// Number; the steps are those of RFC 9162, section 2.1.3.2.
export async function rootOf(leaf, index, size, path) {
  let [node, place, last] = [leaf, BigInt(index), BigInt(size) - 1n];
  if (place < 0n || place > last || path.length > NODES_MAX) return null;
  for (const sibling of path) {
    if (last === 0n) return null;
    if (place & 1n || place === last) {
      node = await nodeHash(sibling, node);
      while (!(place & 1n) && place !== 0n) {
        place >>= 1n;
        last >>= 1n;
      }
    } else {
      node = await nodeHash(node, sibling);
    }
    place >>= 1n;
    last >>= 1n;
  }
  return last === 0n ? node : null;
}

const same = (one, other) => one !== null && one.length === other.length && one.every((byte, at) => byte === other[at]);

/// Whether the record with these bytes is in the tree. Takes an answer of `subnet_v1_receiptProof`; believes none of its hashes.
export async function verifyInclusion(proof) {
  const leaf = await leafHash(bytesOf(proof.encoded));
  const root = await rootOf(leaf, proof.index, proof.size, proof.path.map(bytesOf));
  return { leaf: hexOf(leaf), root: root && hexOf(root), holds: same(leaf, bytesOf(proof.leafHash)) && same(root, bytesOf(proof.root)) };
}

/// What a signed head says of itself, and its digest: what its validator commits to on chain.
export async function readHead(encoded) {
  const bytes = bytesOf(encoded);
  if (bytes.length <= HEAD.end + HEAD.signatureBytes) throw new Error("too short for a head");
  const head = bytes.slice(0, -HEAD.signatureBytes);
  const number = (at) => new DataView(head.buffer, head.byteOffset).getBigUint64(at, true);
  const digest = await sha256(new TextEncoder().encode(HEAD_DOMAIN), head);
  return { epochIndex: number(HEAD.epochIndex), size: number(HEAD.size), root: hexOf(head.slice(HEAD.root, HEAD.end)), digest: hexOf(digest) };
}
