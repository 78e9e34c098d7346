"""Draws the program's icon, one SVG, in every size and form that systems want.

    python packaging/icons.py FOLDER      hicolor/SIZExSIZE/apps/gistdesk.png ..., gistdesk.ico, gistdesk.icns

Needs PySide6 and no display. Knows nothing of where the icons go.
"""

import os
import struct
import sys
from pathlib import Path

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

from PySide6.QtCore import QBuffer, QIODevice, Qt
from PySide6.QtGui import QGuiApplication, QImage, QPainter
from PySide6.QtSvg import QSvgRenderer

SVG = Path(__file__).parent.parent / "resources" / "icons" / "gistdesk.svg"
SIZES = (16, 22, 24, 32, 48, 64, 96, 128, 256, 512)
ICO_SIZES = (16, 24, 32, 48, 64, 256)
ICNS_TYPES = {b"icp4": 16, b"icp5": 32, b"icp6": 64, b"ic07": 128, b"ic08": 256, b"ic09": 512, b"ic10": 1024}


def draw(size: int) -> bytes:
    """The icon as PNG, `size` pixels wide and high."""
    image = QImage(size, size, QImage.Format.Format_ARGB32_Premultiplied)
    image.fill(Qt.GlobalColor.transparent)
    painter = QPainter(image)
    QSvgRenderer(str(SVG)).render(painter)
    painter.end()
    buffer = QBuffer()
    buffer.open(QIODevice.OpenModeFlag.WriteOnly)
    image.save(buffer, "PNG")
    return bytes(buffer.data().data())


def write_icons(folder: Path) -> list[Path]:
    """Write them all. The gist file's icon is the program's."""
    app = QGuiApplication.instance() or QGuiApplication([])
    made = []

    def put(name: str, content: bytes) -> None:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
        made.append(folder / name)

    for size in SIZES:
        picture = draw(size)
        put(f"hicolor/{size}x{size}/apps/gistdesk.png", picture)
        put(f"hicolor/{size}x{size}/mimetypes/application-x-gistkv.png", picture)
    put("hicolor/scalable/apps/gistdesk.svg", SVG.read_bytes())
    put("hicolor/scalable/mimetypes/application-x-gistkv.svg", SVG.read_bytes())
    put("gistdesk.ico", ico({size: draw(size) for size in ICO_SIZES}))
    put("gistdesk.icns", icns({kind: draw(size) for kind, size in ICNS_TYPES.items()}))
    del app
    return made


def ico(pictures: dict[int, bytes]) -> bytes:
    """Windows' container: a directory of 16 bytes for each picture, then the PNGs; 256 is written as 0."""
    head, body, offset = struct.pack("<HHH", 0, 1, len(pictures)), b"", 6 + 16 * len(pictures)
    for size, picture in pictures.items():
        head += struct.pack("<BBBBHHII", size % 256, size % 256, 0, 0, 1, 32, len(picture), offset + len(body))
        body += picture
    return head + body


def icns(pictures: dict[bytes, bytes]) -> bytes:
    """macOS' container: type, length and PNG of each."""
    body = b"".join(struct.pack(">4sI", kind, 8 + len(picture)) + picture for kind, picture in pictures.items())
    return struct.pack(">4sI", b"icns", 8 + len(body)) + body


if __name__ == "__main__":
    for path in write_icons(Path(sys.argv[1])):
        print(path)
