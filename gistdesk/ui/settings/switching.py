"""Asks before switching to another model or adapter if documents were compressed with a different one.

Knows the desk and the question's card; knows nothing of where models are listed.
"""

from collections.abc import Callable

from gistdesk.language.i18n import tr
from gistdesk.session.desk import Desk
from gistdesk.ui.widgets.model_title import model_title
from gistdesk.ui.widgets.question import Question


def ask_to_switch(desk: Desk, name: str, question: Question, used: Callable[[], object] = lambda: None) -> None:
    """Use a model from now on, asking first if the library has documents compressed with another; then call `used`."""

    def use(recompress: bool = False) -> None:
        desk.load_model(name, recompress=recompress)
        used()

    others = desk.documents.made_with_others(name)
    if name == desk.settings.model or not others:
        use()
        return
    question.ask(
        tr("Use “{title}” from now on?", title=model_title(name)),
        tr(
            "Documents compressed with another model: {n}. Keep them as they are, to be asked with the model they "
            "were compressed with, or recompress them all with the new one.",
            n=len(others),
        ),
        tr("Use it, keep them"),
        use,
        also=(tr("Use it, recompress all"), lambda: use(recompress=True)),
    )
