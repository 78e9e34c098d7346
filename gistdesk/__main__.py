"""The program: `gistdesk COMMAND`."""

from gistdesk.terminal import run


def main() -> None:
    """Entry point of the `gistdesk` command."""
    from gistdesk.commands import app

    run(app, "gistdesk")


if __name__ == "__main__":
    main()
