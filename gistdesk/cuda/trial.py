"""A small calculation on the card with a set-up not yet in use: `PACKAGES` -> exit code 0, or what is wrong.

A separate process: a library that does not fit the driver may crash it. The last line it prints
is for a person. The only module of this package that imports torch.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

_SIDE = 256


def main(words: Sequence[str]) -> int:
    """Returns the exit code."""
    packages = Path(words[0])
    sys.path.insert(0, str(packages))
    sys.dont_write_bytecode = False  # a frozen program writes none; compiling here saves every later process the work
    try:
        print(_calculated(packages))
    except Exception as error:
        lines = str(error).strip().splitlines()
        print(f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__)
        return 1
    return 0


def _calculated(packages: Path) -> str:
    import torch

    if not Path(str(torch.__file__)).is_relative_to(packages):
        raise RuntimeError(f"PyTorch was imported from {torch.__file__}")
    if not torch.cuda.is_available():
        raise RuntimeError("PyTorch sees no NVIDIA card or driver")
    half = torch.full((_SIDE, _SIDE), 0.5, device="cuda", dtype=torch.bfloat16)
    found = float((half @ half).float().sum().item())
    if found != _SIDE**3 / 4:
        raise RuntimeError(f"the card calculated {found} where {_SIDE**3 / 4} is right")
    from bitsandbytes.functional import quantize_4bit

    quantize_4bit(half, quant_type="nf4")
    torch.cuda.synchronize()
    return f"PyTorch {torch.__version__} on {torch.cuda.get_device_name()}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
