"""Damage good DNS messages at random and read them: python -m tests.unit.dns.fuzz_wire [COUNT]"""

import random
import sys
import time

from mailfleet.dns.resolve import wire


def _samples() -> list[bytes]:
    from tests.unit.dns.test_wire import sample

    whole = sample()
    return [whole, whole[:40], whole + bytes(range(192, 256)) * 4]


def damaged(message: bytes, chance: random.Random) -> bytes:
    """The message with some bytes changed, cut out, repeated, or pointed elsewhere."""
    data = bytearray(message)
    for _ in range(chance.randint(1, 6)):
        at = chance.randrange(len(data))
        match chance.randrange(5):
            case 0:
                data[at] = chance.randrange(256)
            case 1:
                data[at : at + 2] = bytes((192 | chance.randrange(64), chance.randrange(256)))
            case 2:
                del data[at : at + chance.randint(1, 8)]
            case 3:
                data[at:at] = data[at : at + chance.randint(1, 16)]
            case _:
                data[4 + chance.randrange(8)] = chance.randrange(256) if len(data) > 12 else 0
        if len(data) < 12:
            break
    return bytes(data)


def fuzz(count: int, chance: random.Random) -> int:
    """Parse that many damaged messages; any error but MalformedMessageError is raised."""
    samples = _samples()
    for done in range(count):
        try:
            wire.parse(damaged(samples[done % len(samples)], chance))
        except wire.MalformedMessageError:
            continue
    return count


if __name__ == "__main__":
    total = int(sys.argv[1]) if sys.argv[1:] else 1_000_000
    began = time.perf_counter()
    fuzz(total, random.Random())
    seconds = time.perf_counter() - began
    print(f"{total} damaged messages in {seconds:.0f} s: each read or refused")
