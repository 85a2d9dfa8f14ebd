"""The loaded model: answers a table or named arrays, with outputs that every protocol can write."""

from __future__ import annotations

import logging
import math
import os
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ..errors import MissingExtraError, MlopsError, ServingError
from ..i18n import gettext as _
from . import tables
from .bundle import Bundle
from .errors import RequestError, bad

if TYPE_CHECKING:
    import numpy as np

_log = logging.getLogger(__name__)
_EXTRAS = {"torch": "torch", "captum": "torch", "xgboost": "boost", "lightgbm": "boost"}


@dataclass(slots=True)
class Answer:
    """What the model said, in the forms that the protocols and the log need."""

    #: Named output arrays, first axis: rows.
    outputs: list[tuple[str, np.ndarray]]
    #: One JSON value per row, as MLflow writes predictions.
    predictions: Any
    seconds: float = 0.0


@dataclass(slots=True)
class Inputs:
    """What is to be predicted: a table by columns, one array, or named arrays."""

    columns: dict[str, Any] | None = None
    arrays: dict[str, Any] = field(default_factory=dict)
    params: dict[str, Any] | None = None

    def logged(self) -> dict[str, Any]:
        """Return the values for the request log."""
        return self.columns if self.columns is not None else self.arrays


class ModelRuntime:
    """One model, loaded once. ``predict`` may be called from several threads."""

    def __init__(self, bundle: Bundle):
        self.bundle = bundle
        self.inputs = list(bundle.inputs)
        self.outputs = list(bundle.outputs)
        self.takes_table = tables.is_table(self.inputs)
        # Python code of a model holds the GIL, its numerical libraries do not: a few threads keep both busy, and the
        # event loop free to say that the server is alive.
        self.pool = ThreadPoolExecutor(max_workers=min(8, 2 * (os.cpu_count() or 1)), thread_name_prefix="model")
        self._model: Any = None

    def load(self) -> None:
        """Load the model and let it answer its own example.

        Raises :class:`ServingError` or :class:`MissingExtraError` where it can't: such a model must not get traffic.
        """
        try:
            if (self.bundle.model_folder / "model.skops").is_file():
                from ..registry.skops_io import skops_io

                skops_io()
            from mlflow import pyfunc

            self._model = pyfunc.load_model(str(self.bundle.model_folder.resolve()))
        except ModuleNotFoundError as error:
            package = (error.name or "").split(".")[0]
            if package in _EXTRAS:
                raise MissingExtraError(
                    _EXTRAS[package], _("The model {name}").format(name=self.bundle.model)
                ) from error
            raise ServingError(
                _("The model needs the Python package {name}, which is not installed.").format(name=error.name),
                next=_("Install what the model's requirements.txt lists."),
            ) from error
        except MlopsError:
            raise
        except Exception as error:  # a model's own code runs here, it may raise anything
            raise ServingError(
                _("The model can't be loaded."),
                why=f"{type(error).__name__}: {error}",
                next=_("Its requirements.txt lists what it was made with; compare the versions installed here."),
            ) from error
        if self.bundle.example:
            from .protocol_mlflow import parse_body

            try:
                self.predict(parse_body(self.bundle.example, self))
            except RequestError as error:
                raise ServingError(
                    _("The model does not answer its own input example."),
                    why=error.message,
                    next=_("Register it again with an input_example that it can predict."),
                ) from error

    def predict(self, inputs: Inputs) -> Answer:
        """Ask the model. Raises :class:`RequestError`: 400 where it refused the values, 500 where it broke."""
        data = self._data(inputs)
        began = time.perf_counter()
        try:
            raw = self._model.predict(data, params=inputs.params) if inputs.params else self._model.predict(data)
        except (ValueError, TypeError, KeyError, IndexError) as error:
            raise bad(f"The model refused these inputs: {_one_line(error)}") from error
        except Exception as error:
            if type(error).__name__ == "MlflowException":
                raise bad(_one_line(error)) from error
            _log.exception("The model failed.")
            raise RequestError(500, f"The model failed: {type(error).__name__}: {_one_line(error)}") from error
        seconds = time.perf_counter() - began
        outputs = named_arrays(raw, [spec.name for spec in self.outputs])
        return Answer(outputs, to_predictions(raw), seconds)

    def close(self) -> None:
        """Let running predictions end, take no more."""
        self.pool.shutdown(wait=True)

    def _data(self, inputs: Inputs) -> Any:
        if inputs.columns is not None:
            return tables.frame(self.inputs, inputs.columns)
        if len(inputs.arrays) == 1 and (not self.inputs or len(self.inputs) == 1):
            return next(iter(inputs.arrays.values()))
        return inputs.arrays


def named_arrays(raw: Any, names: list[str]) -> list[tuple[str, np.ndarray]]:
    """Return a model's answer as named arrays; ``names`` are the signature's, used where their number fits."""
    import numpy as np

    if hasattr(raw, "columns"):
        return [(str(name), raw[name].to_numpy()) for name in raw.columns]
    if isinstance(raw, dict):
        return [(str(name), np.asarray(values)) for name, values in raw.items()]
    if hasattr(raw, "to_numpy"):
        raw = raw.to_numpy()
    elif hasattr(raw, "toarray"):  # a sparse matrix
        raw = raw.toarray()
    try:
        found = np.asarray(raw)
    except ValueError:  # lists of different lengths
        found = np.array([str(each) for each in raw], dtype=object)
    if found.ndim == 0:
        found = found.reshape(1)
    return [(names[0] if len(names) == 1 else "output", found)]


def to_predictions(raw: Any) -> Any:
    """Return a model's answer as JSON values, as MLflow does: one per row; a table as records. NaN becomes null."""
    if hasattr(raw, "columns"):
        names = [str(name) for name in raw.columns]
        rows = zip(*(column_values(raw.iloc[:, i].to_numpy()) for i in range(len(names))), strict=True)
        return [dict(zip(names, row, strict=True)) for row in rows]
    if isinstance(raw, dict):
        return {str(name): to_predictions(values) for name, values in raw.items()}
    if hasattr(raw, "toarray"):
        raw = raw.toarray()
    if hasattr(raw, "to_numpy"):
        raw = raw.to_numpy()
    if hasattr(raw, "tolist"):
        return column_values(raw)
    return plain(raw)


def column_values(values: np.ndarray) -> Any:
    """Return an array as nested lists of JSON values."""
    import numpy as np

    if values.dtype.kind in "biuU":
        return values.tolist()
    if values.dtype.kind == "f":
        return values.tolist() if np.isfinite(values).all() else plain(values.tolist())
    if values.dtype.kind in "mM":
        return np.datetime_as_string(values).tolist() if values.dtype.kind == "M" else values.astype(str).tolist()
    return plain(values.tolist())


def plain(value: Any) -> Any:
    """Return any value as JSON can hold it; NaN and infinities, which it can't, as null."""
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, (list, tuple, set)):
        return [plain(each) for each in value]
    if isinstance(value, dict):
        return {str(key): plain(each) for key, each in value.items()}
    if isinstance(value, bytes):
        return value.decode("utf-8", errors="replace")
    if hasattr(value, "tolist"):
        return plain(value.tolist())
    return str(value)


def _one_line(error: Exception) -> str:
    text = getattr(error, "message", None) or str(error)
    return " ".join(str(text).split())[:1000]
