"""Makes the vectors of `src/beacon/ciphertext/vectors.txt` with the official client library.

Needs PyPI `bittensor-core` 0.1.5 (pip install bittensor-core==0.1.5). Encryption draws random numbers, so another run gives
other bytes that open to the same. One vector a line: name, plaintext, ciphertext (the two in hex).
Everything is encrypted to round 1000 of quicknet, whose signature is public and long known.
"""

import sys

import bittensor_core

ROUND = 1000
# The development key //validator, so that a test can commit as it.
HOTKEY = bytes(bittensor_core.Keypair.create_from_uri("//validator").public_key)


def compact(number: int) -> bytes:
    """SCALE compact of a number below 2**14."""
    return bytes([number << 2]) if number < 64 else ((number << 2) | 1).to_bytes(2, "little")


def numbers(items: list[int]) -> bytes:
    return compact(len(items)) + b"".join(item.to_bytes(2, "little") for item in items)


def weights(uids: list[int], values: list[int], version_key: int, hotkey: bytes | None) -> bytes:
    """The payload of timelocked weights; without a hotkey the form before it had one."""
    committer = b"" if hotkey is None else compact(len(hotkey)) + hotkey
    return committer + numbers(uids) + numbers(values) + version_key.to_bytes(8, "little")


def main() -> None:
    plaintexts = {
        "weights": weights([1, 2], [21845, 65535], 7, HOTKEY),
        "weights-of-256": weights(list(range(256)), [65535 - 17 * uid for uid in range(256)], 0, HOTKEY),
        "weights-without-hotkey": weights([0, 3], [1, 2], 0, None),
        "commitment": b"a commitment that waits for its round",
    }
    for name, plaintext in plaintexts.items():
        envelope, reveal_round = bittensor_core.encrypt_at_round(plaintext, ROUND)
        assert reveal_round == ROUND
        sys.stdout.write(f"{name} {plaintext.hex()} {bittensor_core.inner_ciphertext(envelope).hex()}\n")
        if name == "commitment":
            sys.stdout.write(f"commitment-in-envelope {plaintext.hex()} {envelope.hex()}\n")


if __name__ == "__main__":
    main()
