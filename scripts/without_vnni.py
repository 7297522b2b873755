#!/usr/bin/env python3
"""Measure int8, in full and in reduced range, on processors without VNNI: by hiding the newer instructions from onnxruntime.

    scripts/without_vnni.py CHECKPOINT --notes DIR --gold test.jsonl

Needs x86-64 Linux with gcc and binutils, and the extra `export`. A copy of onnxruntime's library has its cpuid instructions replaced by
one that traps, and a library that is loaded first answers the trap without VNNI, and without AVX-512 where that is asked for. The kernels
are onnxruntime's own. Prints one JSON object a line: the agreement with fp32, the F1, and the spans shared with VNNI.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

CPUID, TRAP = b"\x0f\xa2", b"\x0f\x0b"
PROCESSORS = {"vnni": {}, "avx512": {"KEEP_AVX512": "1"}, "avx2": {}}
# Leaf 7 of cpuid: bits of AVX-512 in ebx and ecx, of VNNI in ecx (11) and, in its first subleaf, eax (4).
MASK = r"""
#define _GNU_SOURCE
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>
static int keep;
static void answer(int number, siginfo_t *info, void *context) {
  greg_t *reg = ((ucontext_t *)context)->uc_mcontext.gregs;
  unsigned char *code = (unsigned char *)reg[REG_RIP];
  uint32_t a = reg[REG_RAX], b, c = reg[REG_RCX], d, leaf = a, sub = c;
  if (code[0] != 0x0f || code[1] != 0x0b) { signal(SIGILL, SIG_DFL); return; }
  __asm__ volatile("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
  if (leaf == 7 && sub == 0) {
    if (!keep) { b &= ~0xD0230000u; c &= ~0x5042u; }
    c &= ~(1u << 11); d &= ~0x03C00000u;
  }
  if (leaf == 7 && sub == 1) { a &= ~0x00200030u; d &= ~0x430u; }
  reg[REG_RAX] = a; reg[REG_RBX] = b; reg[REG_RCX] = c; reg[REG_RDX] = d; reg[REG_RIP] += 2;
}
__attribute__((constructor)) static void start(void) {
  struct sigaction action;
  keep = getenv("KEEP_AVX512") != 0;
  memset(&action, 0, sizeof action);
  action.sa_sigaction = answer; action.sa_flags = SA_SIGINFO;
  sigaction(SIGILL, &action, 0);
}
"""
Spans = list[list[tuple[str, int, int]]]


def main() -> None:
    """Make both ranges of one checkpoint, read with each processor, compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("checkpoint")
    parser.add_argument("--notes", required=True, type=Path, help="folder of .txt files")
    parser.add_argument("--gold", required=True, type=Path, help="JSONL with text and entities")
    parser.add_argument("--read", nargs=2, metavar=("BUNDLE", "PRECISION"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    rows = [json.loads(line) for line in options.gold.read_text(encoding="utf-8").splitlines()]
    texts = [path.read_text(encoding="utf-8") for path in sorted(options.notes.glob("*.txt"))]
    count = len(texts)
    texts += [row["text"] for row in rows]
    if options.read:
        json.dump(read(*options.read, texts), sys.stdout)
        return
    gold = [[(e["label"], e["start"], e["end"]) for e in row["entities"]] for row in rows]
    with tempfile.TemporaryDirectory() as work:
        for line in _compare(options.checkpoint, Path(work), gold, count):
            print(json.dumps(line), flush=True)


def _compare(checkpoint: str, work: Path, gold: Spans, count: int) -> list[dict[str, object]]:
    from clinspan_export import Overrides, export

    bundles = {}
    for name, reduced in (("full", False), ("reduced", True)):
        bundles[name] = export(checkpoint, work / name, overrides=Overrides(reduced_range=reduced)).path
    hidden = hide(work)
    exact = _run(bundles["full"], "fp32", {})
    lines: list[dict[str, object]] = []
    for name, bundle in bundles.items():
        found = {
            processor: _run(bundle, "int8", {} if processor == "vnni" else {**hidden, **extra})
            for processor, extra in PROCESSORS.items()
        }
        for processor, spans in found.items():
            row = {"range": name, "processor": processor, "f1": f1(gold, spans[count:])}
            row["agreement_notes"], row["agreement_gold"] = (
                f1(exact[:count], spans[:count]),
                f1(exact[count:], spans[count:]),
            )
            row["same_as_vnni_notes"] = f1(found["vnni"][:count], spans[:count])
            lines.append(row)
    return lines


def hide(work: Path) -> dict[str, str]:
    """Copy onnxruntime without cpuid, and compile what answers in its place; returns the environment that uses both."""
    found = importlib.util.find_spec("onnxruntime")
    assert found is not None
    assert found.origin is not None
    copy = Path(shutil.copytree(Path(found.origin).parent, work / "hidden" / "onnxruntime"))
    (library,) = (copy / "capi").glob("onnxruntime_pybind11_state*.so")
    listing = subprocess.run(
        ["objdump", "-d", "--no-show-raw-insn", library], capture_output=True, text=True, check=True
    )
    places = [
        int(address, 16) for address in re.findall(r"^ *([0-9a-f]+):\tcpuid", listing.stdout, re.MULTILINE)
    ]
    headers = subprocess.run(["readelf", "-lW", library], capture_output=True, text=True, check=True).stdout
    segments = [
        tuple(int(number, 16) for number in numbers)
        for numbers in re.findall(r"LOAD +(0x\w+) (0x\w+) 0x\w+ (0x\w+)", headers)
    ]
    code = bytearray(library.read_bytes())
    for place in places:
        (at,) = (place - start + offset for offset, start, size in segments if start <= place < start + size)
        assert code[at : at + 2] == CPUID
        code[at : at + 2] = TRAP
    library.write_bytes(code)
    (work / "mask.c").write_text(MASK, encoding="utf-8")
    subprocess.run(["gcc", "-O2", "-shared", "-fPIC", work / "mask.c", "-o", work / "mask.so"], check=True)
    known = os.environ.get("PYTHONPATH", "")
    return {"LD_PRELOAD": str(work / "mask.so"), "PYTHONPATH": f"{copy.parent}{os.pathsep}{known}"}


def _run(bundle: Path, precision: str, environment: dict[str, str]) -> Spans:
    """Read all texts in a process of its own."""
    command = [sys.executable, *sys.argv, "--read", str(bundle), precision]
    done = subprocess.run(
        command, capture_output=True, text=True, env={**os.environ, **environment}, check=False
    )
    if done.returncode != 0:
        sys.exit(done.stderr.strip().splitlines()[-1])
    found: Spans = [[(label, start, end) for label, start, end in spans] for spans in json.loads(done.stdout)]
    return found


def read(bundle: str, precision: str, texts: list[str]) -> Spans:
    """Spans of each text."""
    from clinspan import Recognizer

    recognizer = Recognizer.load(bundle, precision=precision, threads=1)
    return [[(span.label, span.start, span.end) for span in spans] for spans in recognizer.pipe(texts)]


def f1(first: Spans, second: Spans) -> float:
    """F1 of one set of spans against another."""
    same = sum(len(set(a) & set(b)) for a, b in zip(first, second, strict=True))
    return round(2 * same / max(1, sum(map(len, first)) + sum(map(len, second))), 4)


if __name__ == "__main__":
    main()
