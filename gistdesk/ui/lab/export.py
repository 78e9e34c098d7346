"""Exports a run to a file: CSV, JSON or PNG, each including the configuration and the seed.

Knows runs; pictures are redrawn, whatever the window shows.
"""

import csv
import io
import json
from pathlib import Path
from typing import Any

from PySide6.QtCore import QBuffer, QIODevice, QRect, QSaveFile, Qt
from PySide6.QtGui import QColor, QFont, QFontMetrics, QImage, QPainter, QPixmap
from PySide6.QtWidgets import QApplication

from gistdesk import __version__
from gistdesk.language.figures import moment_text
from gistdesk.session.run import Row, Run
from gistdesk.ui.lab.grid import GridBoard
from gistdesk.ui.lab.plot import Line, Plot, smoothed
from gistdesk.ui.lab.train import CONTROLS, accuracy_points, loss_points
from gistdesk.ui.widgets import theme

FORMS = ("csv", "json", "png")
_LEFT_OUT = ("prompt", "places", "rows", "path")
"""Columns left out of a table: long texts and lists."""
_WIDTH = 1000


def describe(run: Run) -> Row:
    """Describe what was run: title, command, model, configuration, seed, program and hardware."""
    told = {key: run.description[key] for key in ("model", "versions", "hardware", "id") if key in run.description}
    return {
        "title": run.start.title,
        "kind": run.start.kind,
        "state": run.state,
        "started": run.start.created,
        "command": list(run.start.words),
        "base" if run.is_training else "of": run.model,
        "gistdesk": __version__,
        "seed": run.seed,
        "config": run.config,
        **told,
    }


def export_run(run: Run, path: Path) -> bool:
    """Write a run in the format given by the file's suffix; False: it could not be written."""
    form = path.suffix.lower().removeprefix(".")
    data = {"csv": _csv, "json": _json, "png": _png}.get(form, _json)(run)
    file = QSaveFile(str(path))
    return file.open(QIODevice.OpenModeFlag.WriteOnly) and file.write(data) == len(data) and file.commit()


def _rows(run: Run) -> list[Row]:
    return [row for row in run.events if row.get("event") == "progress"] if run.is_training else run.trials


def _json(run: Run) -> bytes:
    rows = {"events": run.events} if run.is_training else {"samples": run.trials}
    return json.dumps({**describe(run), **rows}, ensure_ascii=False, indent=1).encode()


def _csv(run: Run) -> bytes:
    """The table, below comment lines that begin with #."""
    rows = [{name: value for name, value in row.items() if name not in _LEFT_OUT} for row in _rows(run)]
    names = list(dict.fromkeys(name for row in rows for name in row))
    text = io.StringIO()
    for name, value in describe(run).items():
        text.write(f"# {name}: {json.dumps(value, ensure_ascii=False)}\n")
    writer = csv.DictWriter(text, fieldnames=names, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def _png(run: Run) -> bytes:
    picture, facts = _picture(run), describe(run)
    caption = [
        f"{facts['title']}  ·  {moment_text(facts['started'])}  ·  gistdesk {__version__}",
        f"{run.model}  ·  seed {run.seed}  ·  {_config_line(run.config)}",
    ]
    metrics, margin = QFontMetrics(QApplication.font()), 2 * theme.GRID
    ratio = picture.devicePixelRatio()
    width = round(picture.width() / ratio) + 2 * margin
    flags = int(Qt.TextFlag.TextWordWrap)
    heights = [
        metrics.boundingRect(QRect(0, 0, width - 2 * margin, 9999), flags, line).height() + 4 for line in caption
    ]
    height = round(picture.height() / ratio) + sum(heights) + 3 * margin
    image = QImage(round(width * ratio), round(height * ratio), QImage.Format.Format_RGB32)
    image.setDevicePixelRatio(ratio)
    image.fill(QColor(theme.colours().surface))
    painter = QPainter(image)
    y = margin
    for number, (line, high) in enumerate(zip(caption, heights, strict=True)):
        font = QFont(QApplication.font())
        font.setBold(number == 0)
        painter.setFont(font)
        painter.setPen(QColor(theme.colours().muted if number else theme.colours().text))
        painter.drawText(QRect(margin, y, width - 2 * margin, high), flags, line)
        y += high
    painter.drawPixmap(margin, y + margin, picture)
    painter.end()
    image.setText("gistdesk", json.dumps(facts, ensure_ascii=False))
    buffer = QBuffer()
    buffer.open(QIODevice.OpenModeFlag.WriteOnly)
    image.save(buffer, "PNG")  # type: ignore[call-overload]
    return bytes(buffer.data().data())


def _config_line(config: Row) -> str:
    def short(value: Any) -> str:
        return ",".join(map(str, value)) if isinstance(value, list) else str(value)

    return "  ".join(f"{name}={short(value)}" for name, value in config.items() if value not in ("", [], None))


def _picture(run: Run) -> QPixmap:
    """The grids of a benchmark; loss and accuracy of a training run."""
    if not run.is_training:
        board = GridBoard()
        board.setStyleSheet(f"QWidget {{ background: {theme.colours().surface}; }}")
        board.resize(_WIDTH, 600)
        board.start_over(run.config)
        board.show_trials(run.trials)
        board.ensurePolished()
        inner = board.widget()
        inner.resize(_WIDTH - 20, inner.sizeHint().height())
        return inner.grab()
    raw = loss_points(run.events)
    plots = (Plot(), Plot())
    plots[0].show_lines("Loss (nats)", [Line("raw", raw, 0, faint=True), Line("smoothed", smoothed(raw), 0)])
    lines = [Line(method, accuracy_points(run.events, method), n, dots=True) for n, method in enumerate(CONTROLS)]
    plots[1].show_lines("Held-out accuracy", lines, y_text=lambda y: f"{100 * y:.0f}%", y_range=(0, 1))
    picture = QPixmap(_WIDTH, 680)
    picture.fill(QColor(theme.colours().surface))
    painter = QPainter(picture)
    for number, plot in enumerate(plots):
        plot.setStyleSheet(f"background: {theme.colours().surface};")
        plot.resize(_WIDTH, 320)
        painter.drawPixmap(0, number * 350, plot.grab())
    painter.end()
    return picture
