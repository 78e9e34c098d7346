"""The program: `gistdesk COMMAND`. Turns exceptions into exit codes, and knows nothing else.

0 done, 1 our bug, 2 the user's error, 130 interrupted.
"""

import sys

import typer

from gistdesk.core.errors import UserError


def main() -> None:
    """Entry point of the `gistdesk` command."""
    from gistdesk.commands import app

    _speak_utf8()
    try:
        code = app(standalone_mode=False)
    except UserError as error:
        print(f"gistdesk: {error.message} {error.hint}", file=sys.stderr)
        sys.exit(2)
    except typer.Abort:
        sys.exit(130)
    except KeyboardInterrupt:
        print("gistdesk: interrupted.", file=sys.stderr)
        sys.exit(130)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(0)
    except Exception as error:
        if hasattr(error, "exit_code") and hasattr(error, "format_message"):
            print(f"gistdesk: {error.format_message()} See gistdesk --help.", file=sys.stderr)
            sys.exit(2)
        raise
    sys.exit(code if isinstance(code, int) else 0)


def _speak_utf8() -> None:
    """A Windows console or a bare container may default to an encoding that has no Hangul."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(encoding="utf-8", errors="replace")


if __name__ == "__main__":
    main()
