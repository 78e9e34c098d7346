"""Of bitsandbytes the library for the CPU alone: the CUDA ones are for the environment that CUDA has."""

from PyInstaller.utils.hooks import collect_dynamic_libs, collect_submodules, copy_metadata

binaries = [(source, target) for source, target in collect_dynamic_libs("bitsandbytes") if "_cpu" in source]
hiddenimports = collect_submodules("bitsandbytes", on_error="ignore")
datas = copy_metadata("bitsandbytes")
