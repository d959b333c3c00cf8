"""Copies of a GGUF file: cheaper ones (fewer layers, fewer bits), or the same weights as plain numbers, which other kernels compute.

  python3 scripts/lib/gguf_variants.py f32|bf16 FILE TARGET
  python3 scripts/lib/gguf_variants.py layers:N|bits:N FILE TARGET
"""

import array
import shutil
import struct
import sys

# Sizes of metadata values by type; 8 is a string, 9 a list.
SIZES = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}
F32, Q4_1, Q8_0, BF16 = 0, 3, 8, 30
Q4_1_BLOCK = 20
Q8_0_BLOCK = 34


class Reader:
    def __init__(self, file):
        self.file = file

    def number(self, form):
        return struct.unpack("<" + form, self.file.read(struct.calcsize(form)))[0]

    def text(self):
        return self.file.read(self.number("Q")).decode()

    def skip(self, kind):
        if kind == 8:
            self.text()
        elif kind == 9:
            inner, count = self.number("I"), self.number("Q")
            for _ in range(count):
                self.skip(inner)
        else:
            self.file.seek(SIZES[kind], 1)


def header(path):
    """The tensors (name, elements, type, offset), and where their data begins."""
    with open(path, "rb") as file:
        read = Reader(file)
        assert file.read(4) == b"GGUF"
        read.number("I")
        tensors, values = read.number("Q"), read.number("Q")
        alignment = 32
        for _ in range(values):
            name, kind = read.text(), read.number("I")
            if name == "general.alignment":
                alignment = read.number("I")
            else:
                read.skip(kind)
        found = []
        for _ in range(tensors):
            name, dimensions = read.text(), read.number("I")
            elements = 1
            for _ in range(dimensions):
                elements *= read.number("Q")
            found.append((name, elements, read.number("I"), read.number("Q")))
        start = -(-file.tell() // alignment) * alignment
    return found, start


def fewer_layers(path, target, layers):
    """The last layers add nothing: what they give back is zeroed, which is the same as leaving them out."""
    tensors, start = header(path)
    shutil.copyfile(path, target)
    with open(target, "r+b") as file:
        for name, elements, kind, offset in tensors:
            _, layer, *matrix = name.split(".") if name.startswith("blk.") else ("", "-1")
            if int(layer) >= layers and matrix[0] in ("attn_output", "ffn_down"):
                assert kind == Q4_1, f"{name} is of another type"
                file.seek(start + offset)
                file.write(bytes(elements // 32 * Q4_1_BLOCK))


def fewer_bits(path, target, bits):
    """Keeps the highest bits of each 4-bit weight and puts it into the middle of what it could have been."""
    tensors, start = header(path)
    drop = 4 - bits
    half = (1 << drop) >> 1

    def coarse(nibble):
        return min((nibble >> drop << drop) + half, 15)

    table = bytes(coarse(byte >> 4) << 4 | coarse(byte & 15) for byte in range(256))
    shutil.copyfile(path, target)
    with open(target, "r+b") as file:
        for _, elements, kind, offset in tensors:
            if kind != Q4_1:
                continue
            file.seek(start + offset)
            data = bytearray(file.read(elements // 32 * Q4_1_BLOCK))
            for block in range(0, len(data), Q4_1_BLOCK):
                data[block + 4 : block + Q4_1_BLOCK] = data[block + 4 : block + Q4_1_BLOCK].translate(table)
            file.seek(start + offset)
            file.write(data)


def numbers(data, kind):
    """The weights of blocks of this type, one after the other."""
    out = array.array("f")
    if kind == Q8_0:
        for block in range(0, len(data), Q8_0_BLOCK):
            (scale,) = struct.unpack_from("<e", data, block)
            out.extend([scale * weight for weight in struct.unpack_from("<32b", data, block + 2)])
        return out
    assert kind == Q4_1, "weights of another type than Q4_1 and Q8_0"
    for block in range(0, len(data), Q4_1_BLOCK):
        scale, least = struct.unpack_from("<2e", data, block)
        levels = [scale * level + least for level in range(16)]
        pairs = data[block + 4 : block + Q4_1_BLOCK]
        out.extend([levels[pair & 15] for pair in pairs])
        out.extend([levels[pair >> 4] for pair in pairs])
    return out


def nearest_bf16(bits):
    """The upper half of an f32's bits, rounded to the nearest, of two the even one."""
    return (bits + 0x7FFF + (bits >> 16 & 1)) >> 16


def plain(path, target, kind):
    """The same weights as f32 or bf16 numbers; vectors stay f32. Takes a minute for 135 million weights."""
    tensors, start = header(path)
    places = {}
    with open(path, "rb") as source, open(target, "wb") as file:
        head = bytearray(source.read(start))
        file.write(head)
        for name, elements, was, offset in tensors:
            source.seek(start + offset)
            if was == F32:
                data, now = source.read(elements * 4), F32
            else:
                block = Q8_0_BLOCK if was == Q8_0 else Q4_1_BLOCK
                weights = numbers(source.read(elements // 32 * block), was)
                data, now = weights.tobytes(), kind
                if kind == BF16:
                    bits = array.array("I", data)
                    data = array.array("H", map(nearest_bf16, bits)).tobytes()
            places[name] = (now, file.tell() - start)
            file.write(data + bytes(-len(data) % 32))
        # The header keeps its size: only types and offsets change, each right behind its tensor's name and dimensions.
        for name, (now, offset) in places.items():
            named = struct.pack("<Q", len(name)) + name.encode()
            at = head.rindex(named) + len(named)
            at += 4 + 8 * struct.unpack_from("<I", head, at)[0]
            file.seek(at)
            file.write(struct.pack("<IQ", now, offset))


def main():
    form, path, target = sys.argv[1:]
    if form in ("f32", "bf16"):
        return plain(path, target, F32 if form == "f32" else BF16)
    what, number = form.split(":")
    return {"layers": fewer_layers, "bits": fewer_bits}[what](path, target, int(number))


if __name__ == "__main__":
    main()
