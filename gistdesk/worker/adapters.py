"""Imports and exports adapters as files. Neither loads a base's weights."""

from pathlib import Path

from gistdesk.core.adapter_folder import export_adapter, import_adapter
from gistdesk.protocol import ExportAdapter, ExportAdapterDone, ImportAdapter, ImportAdapterDone
from gistdesk.worker.network import use_network


def bring_in(request: ImportAdapter) -> ImportAdapterDone:
    """Raises UserError: it cannot be read, none of the models is its base, or it cannot be written."""
    use_network(False)
    return ImportAdapterDone(str(import_adapter(Path(request.path), Path(request.into), request.models)))


def take_out(request: ExportAdapter) -> ExportAdapterDone:
    """Raises UserError: there is no adapter, or it cannot be written."""
    use_network(False)
    export_adapter(request.model, Path(request.target))
    return ExportAdapterDone(request.target)
