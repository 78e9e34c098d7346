"""The program: without arguments the window, with files or folders the window opening them, else `gistdesk COMMAND`."""

import sys
from pathlib import Path

from gistdesk.interrupts import end_at_once

_NO_DISPLAY = "There is no display here, so gistdesk cannot open its window."


def main() -> None:
    """Entry point of the `gistdesk` command."""
    end_at_once("gistdesk")
    words = sys.argv[1:]
    if all(_is_path(word) for word in words):
        _open_window([Path(word) for word in words])
    from gistdesk.cuda.place import use

    use()
    from gistdesk.cli.commands import app
    from gistdesk.terminal import run

    run(app, "gistdesk")


def _is_path(word: str) -> bool:
    """A file, or a folder not named like a command.

    Anything too long for a name, or in a folder that cannot be searched, is left to the commands.
    """
    try:
        if word.startswith("-") or not Path(word).is_dir():
            return not word.startswith("-") and Path(word).is_file()
    except OSError:
        return False
    if not word.isidentifier():  # every command is one, and no path with a separator or a dot
        return True
    from typer.main import get_command

    from gistdesk.cli.commands import app

    return word not in get_command(app).list_commands(None)  # type: ignore[attr-defined]


def _open_window(paths: list[Path]) -> None:
    """Show the window and exit with it. Returns only if there is no display; then the demonstration follows."""
    from gistdesk.ui.app.display import has_display

    if has_display():
        from gistdesk.ui.app.start import run_window

        sys.exit(run_window(paths))
    if paths:
        hint = "In a terminal: gistdesk compress FILE, then gistdesk ask FILE.gistkv."
        print(f"gistdesk: {_NO_DISPLAY} {hint}", file=sys.stderr)
        sys.exit(2)
    print(f"{_NO_DISPLAY} The demonstration runs in the terminal instead.\n", file=sys.stderr)
    sys.argv[1:] = ["demo"]


if __name__ == "__main__":
    main()
