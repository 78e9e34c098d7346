"""What a CUDA set-up consists of: exactly these files, by hash, for this system and Python.

`python packaging/build.py cuda` writes it. Knows nothing of where files come from.
"""

import hashlib
import platform
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path

from gistdesk.core.errors import UserError
from gistdesk.cuda.card import Card
from gistdesk.folders import resource
from gistdesk.wheels import Wheel


@dataclass(frozen=True)
class Lock:
    """Everything to fetch.

    Attributes:
        name: distinguishes set-ups of other versions, systems and Pythons; also the folder's name.
        cuda: version of CUDA.
        least_driver: the oldest driver that this CUDA works with.
        least_capability: of the card.
        index: a package index to ask besides the usual one; "" if none.
    """

    name: str
    cuda: str
    least_driver: int
    least_capability: float
    index: str
    wheels: tuple[Wheel, ...]

    @property
    def n_bytes(self) -> int:
        """Total download size."""
        return sum(wheel.n_bytes for wheel in self.wheels)

    @property
    def unpacked_bytes(self) -> int:
        return sum(wheel.unpacked_bytes for wheel in self.wheels)

    def check(self, card: Card) -> None:
        """Raises UserError: this CUDA cannot use the card."""
        if card.capability < self.least_capability:
            raise UserError(
                "{name} is too old for CUDA {cuda}: it has compute capability {capability}.",
                "A card with {least} or more is needed; the work is done on the processor.",
                name=card.name,
                cuda=self.cuda,
                capability=card.capability,
                least=self.least_capability,
            )
        if int(card.driver.split(".")[0]) < self.least_driver:
            raise UserError(
                "The driver {driver} is too old for CUDA {cuda}.",
                "Install NVIDIA's driver {version} or newer, then try again.",
                driver=card.driver,
                cuda=self.cuda,
                version=self.least_driver,
            )


def python_tag() -> str:
    """Of the running Python, for example "py311": packages for another one are unusable."""
    return f"py{sys.version_info.major}{sys.version_info.minor}"


def system_tag() -> str:
    """Of system and Python, for example "linux-x86_64-py311"."""
    return f"{platform.system()}-{platform.machine()}".lower() + f"-{python_tag()}"


def read_lock(folder: Path | None = None) -> Lock:
    """The lock for this system and Python; by default from resources/cuda.

    Raises:
        UserError: this version has none.
    """
    path = (folder or resource("cuda")) / f"{system_tag()}.toml"
    if not path.is_file():
        raise UserError(
            "This version cannot set up CUDA on {system}.",
            "Install gistdesk with pip and PyTorch with CUDA instead; the README says how.",
            system=system_tag(),
        )
    data = path.read_bytes()
    found = tomllib.loads(data.decode("utf-8"))
    wheels = tuple(Wheel(**wheel) for wheel in found["wheel"])
    torch = next(wheel.version for wheel in wheels if wheel.name == "torch").partition("+")[0]
    version = f"torch-{torch}-cuda-{found['cuda']}-{python_tag()}-{hashlib.sha256(data).hexdigest()[:8]}"
    return Lock(version, found["cuda"], found["driver"], found["capability"], found.get("index", ""), wheels)
