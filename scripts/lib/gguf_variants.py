"""Copies of a GGUF file that answer like a cheaper model: fewer layers, or weights with fewer bits."""

import shutil
import struct

# Sizes of metadata values by type; 8 is a string, 9 a list.
SIZES = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}
Q4_1 = 3
Q4_1_BLOCK = 20


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
