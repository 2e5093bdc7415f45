"""magika tells what some bytes are."""

from typing import Any

SAMPLES = (
    b'#include <stdio.h>\nint main(void) { return puts("hello"); }\n' * 4,
    b"def answer(x: int) -> int:\n    return 42 * x\n" * 8,
    b"<html><body><p>hello</p></body></html>" * 5,
    b"name,age\nann,7\nbob,9\n" * 10,
)


def outputs() -> Any:
    """Labels and scores."""
    from magika import Magika

    magika = Magika()
    found = [magika.identify_bytes(each) for each in SAMPLES]
    return [[str(each.output.label), float(each.score)] for each in found]
