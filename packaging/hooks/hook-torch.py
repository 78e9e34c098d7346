"""What of torch goes into the frozen program, in place of the hook that PyInstaller brings, which takes everything."""

import importlib.util
from pathlib import Path

from PyInstaller.utils.hooks import collect_dynamic_libs, collect_submodules

UNNEEDED = (
    "torch.utils.tensorboard",
    "torch.utils.benchmark",
    "torch.utils.bottleneck",
    "torch.contrib",
    "torch._inductor.codegen",
    "torch._inductor.kernel",
    "torch._inductor.autoheuristic",
)
"""Tools, and the code generators of torch.compile, which needs a C++ compiler and is not used."""
TESTS = "torch.testing._internal."
TESTS_IN_USE = ("logging_tensor", "common_dtype", "distributed")
"""Of torch's own tests, what torch itself imports."""
UNNEEDED_LIBRARIES = ("torchbind_test", "jitbackend_test", "backend_with_compiler", "aoti_custom_ops")


def is_needed(name: str) -> bool:
    if name.startswith(TESTS):
        return name.removeprefix(TESTS).startswith(TESTS_IN_USE) and not name.startswith(f"{TESTS}distributed.rpc")
    return not name.startswith(UNNEEDED)


_all = collect_submodules("torch", on_error="ignore")
_folder = Path(importlib.util.find_spec("torch").origin).parent

bindepend_symlink_suppression = ["**/torch/lib/*"]
"""No second names for torch's libraries where every library is looked for first: a set-up of CUDA brings its own."""
module_collection_mode = "pyz+py"  # torch reads its own sources: configurations, what jit.script compiles, overloads
warn_on_missing_hiddenimports = False
hiddenimports = [name for name in _all if is_needed(name)]
excludedimports = [name for name in _all if not is_needed(name)]
binaries = [
    (source, target)
    for source, target in collect_dynamic_libs("torch", search_patterns=["*.so", "*.so.*", "*.dll", "*.dylib"])
    if not any(name in source for name in UNNEEDED_LIBRARIES)
]
binaries += [(str(path), "torch/bin") for path in (_folder / "bin").glob("torch_shm_manager*")]
