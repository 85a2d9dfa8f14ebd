"""Why a state of the variables can't be gone to."""

from __future__ import annotations

from ...errors import MlopsError
from ...i18n import gettext as _


class StateLostError(MlopsError):
    """Variables of a state were not kept, or are gone, and can't be made again. ``details`` has why, by name."""

    code = "state-lost"
    status = 409

    def __init__(self, label: str, reasons: dict[str, str]):
        super().__init__(
            _("The variables can't be put back as they were after {state}; nothing was changed.").format(state=label),
            why="; ".join(f"{name}: {why}" for name, why in list(reasons.items())[:5]),
            next=_(
                "Go to another state (%history_cells lists them), run the cells again that made these variables, or "
                "add --partly to put the others back and delete these."
            ),
            details={"names": dict(reasons)},
        )
        self.reasons = reasons


class TravelError(MlopsError):
    """There is no such state, or no time travel here."""

    code = "no-such-state"
    status = 404
