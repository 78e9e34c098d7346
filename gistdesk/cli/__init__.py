"""The subcommands and what a terminal shows. Uses core, library and trainer; draws no window."""
