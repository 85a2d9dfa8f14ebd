"""Logging a model object in the MLflow flavor that fits it, in the safest format that can hold it.

scikit-learn
    skops where every type in the model is one of scikit-learn, NumPy, SciPy or a boosting library (MLflow alone
    refuses the trees of a random forest: it trusts no type outside its short list); cloudpickle where the model holds
    functions or classes of the user's.
PyTorch
    ``pt2`` (a traced graph, no pickle) for an array example that ``torch.export`` can follow; else pickle.
XGBoost, LightGBM
    their own formats.
``mlflow.pyfunc.PythonModel``
    cloudpickle.

Requirements are written from what the model uses. MLflow would find them by loading the model in a new process, which
takes about ten seconds; only for a ``PythonModel`` there is no better way.
"""

from __future__ import annotations

import importlib.metadata
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from ..errors import InvalidInputError, MissingExtraError
from ..i18n import gettext as _
from .skops_io import skops_io

#: Rows kept as the example, and rows that the signature is inferred from.
EXAMPLE_ROWS = 5
SIGNATURE_ROWS = 1000
#: Packages whose classes do nothing but hold numbers when skops makes them again.
_TRUSTED_PACKAGES = ("sklearn", "numpy", "scipy", "xgboost", "lightgbm", "pandas")
#: Histogram gradient boosting with categories holds one; the function in it is judged as a type of its own.
_TRUSTED_TYPES = ("functools.partial",)
#: Package → extra that installs it.
_EXTRAS = {"torch": "torch", "captum": "torch", "xgboost": "boost", "lightgbm": "boost"}


@dataclass
class Logged:
    """A model that was logged: its URI (``models:/m-…``) and the format that was chosen."""

    uri: str
    model_id: str
    format: str


@dataclass
class _Plan:
    """How one kind of model is logged."""

    log: Callable[..., Any]
    #: First argument's name of ``log``.
    subject: str
    format: str
    packages: tuple[str, ...] = ()
    options: dict[str, Any] = field(default_factory=dict)


def log(
    model: Any, *, predict: str = "predict", input_example: Any = None, signature: Any = None, options: dict[str, Any]
) -> Logged:
    """Log ``model`` to the active run.

    Raises :class:`InvalidInputError` for an object that no flavor holds, :class:`MissingExtraError` where the flavor's
    library is missing.
    """
    try:
        plans = _plans(model, predict, input_example)
        if signature is None and input_example is not None:
            signature = infer(model, predict, input_example)
        failure: Exception | None = None
        for plan in plans:
            arguments: dict[str, Any] = {
                plan.subject: model,
                "name": "model",
                "signature": signature,
                "input_example": head(input_example, EXAMPLE_ROWS),
                **plan.options,
            }
            if plan.packages:
                arguments["pip_requirements"] = requirements(plan.packages)
            arguments.update(options)
            try:
                with _evaluating(model):
                    info = plan.log(**arguments)
            except Exception as error:
                # The next plan is a format that can hold more; what the last one says is the error.
                failure = error
                if plan is plans[-1]:
                    raise
                continue
            return Logged(uri=info.model_uri, model_id=info.model_id or "", format=plan.format)
        raise RuntimeError("no way to log this model") from failure
    except ModuleNotFoundError as error:
        extra = _EXTRAS.get((error.name or "").split(".")[0])
        if extra is None:
            raise
        raise MissingExtraError(extra, _("Registering this model")) from error


def infer(model: Any, predict: str, input_example: Any) -> Any:
    """Return the MLflow signature of ``model`` on the example, or None where MLflow has to find it by loading."""
    from mlflow.models import infer_signature

    rows = head(input_example, SIGNATURE_ROWS)
    if _is_torch(model):
        return infer_signature(rows, _torch_predictions(model, rows))
    if _is_python_model(model):
        return None
    function = getattr(model, predict, None)
    if function is None:  # a Booster of XGBoost: MLflow knows how to give it a table
        return None
    try:
        return infer_signature(rows, function(rows))
    except (TypeError, ValueError, KeyError, IndexError, AttributeError) as error:
        if _package(model) in ("xgboost", "lightgbm") and not _is_sklearn(model):
            return None
        raise InvalidInputError(
            _("The model can't predict the input example."),
            why=f"{type(error).__name__}: {error}",
            next=_("Give as input_example a few rows in the form that the model was trained on."),
        ) from error


def head(example: Any, rows: int) -> Any:
    """Return the first rows of a table or array, anything else unchanged."""
    if hasattr(example, "iloc"):
        return example.iloc[:rows]
    if hasattr(example, "shape") and getattr(example, "ndim", 0) >= 1:
        return example[:rows]
    return example


def requirements(packages: Iterable[str]) -> list[str]:
    """Return ``name==version`` of the installed distributions that hold these top-level packages."""
    distributions = importlib.metadata.packages_distributions()
    names = {distributions[package][0] for package in packages if package in distributions}
    names |= {"mlflow", "pandas"}
    return sorted(f"{name}=={importlib.metadata.version(name)}" for name in names)


def _plans(model: Any, predict: str, input_example: Any) -> list[_Plan]:
    """Return the ways to log ``model``, best first."""
    package = _package(model)
    if _is_python_model(model):
        from mlflow import pyfunc

        _only_predict(predict, "PythonModel")
        return [_Plan(pyfunc.log_model, "python_model", "cloudpickle")]
    if _is_torch(model):
        from mlflow import pytorch

        _only_predict(predict, "PyTorch")
        pickled = _Plan(
            pytorch.log_model, "pytorch_model", "pickle", ("torch", "numpy"), {"serialization_format": "pickle"}
        )
        if type(input_example).__name__ == "ndarray" and len(input_example) > 1:
            return [
                _Plan(pytorch.log_model, "pytorch_model", "pt2", ("torch", "numpy"), {"serialization_format": "pt2"}),
                pickled,
            ]
        return [pickled]
    if package == "xgboost" and predict == "predict":
        from mlflow import xgboost

        return [_Plan(xgboost.log_model, "xgb_model", "xgboost", ("xgboost", "numpy", "scipy", "sklearn"))]
    if package == "lightgbm" and predict == "predict":
        from mlflow import lightgbm

        return [_Plan(lightgbm.log_model, "lgb_model", "lightgbm", ("lightgbm", "numpy", "scipy", "sklearn"))]
    if _is_sklearn(model):
        return [_sklearn_plan(model, predict)]
    raise InvalidInputError(
        _("An object of type {type} can't be registered.").format(
            type=f"{type(model).__module__}.{type(model).__qualname__}"
        ),
        why=_(
            "Known are scikit-learn, PyTorch, XGBoost and LightGBM models and subclasses of mlflow.pyfunc.PythonModel."
        ),
        next=_("Wrap it in a subclass of mlflow.pyfunc.PythonModel, or log it with MLflow and register its URI."),
    )


def _sklearn_plan(model: Any, predict: str) -> _Plan:
    from mlflow import sklearn

    if not callable(getattr(model, predict, None)):
        raise InvalidInputError(
            _("{type} has no method {name}.").format(type=type(model).__name__, name=predict),
            next=_("Leave out `predict`, or name a method such as predict or predict_proba."),
        )
    packages = tuple(sorted({"sklearn", "numpy", "scipy"} | _packages_of(model)))
    trusted = _skops_types(model)
    if trusted is None:
        options: dict[str, Any] = {"serialization_format": "cloudpickle"}
        packages = (*packages, "cloudpickle")
    else:
        options = {"serialization_format": "skops", "skops_trusted_types": trusted}
        packages = (*packages, "skops")
    options["pyfunc_predict_fn"] = predict
    return _Plan(sklearn.log_model, "sk_model", str(options["serialization_format"]), packages, options)


def _skops_types(model: Any) -> list[str] | None:
    """Return the types that skops must be told to trust, or None where the model holds more than library types."""
    try:
        skops = skops_io()
        untrusted: list[str] = skops.get_untrusted_types(data=skops.dumps(model))
    except Exception:
        # Whatever skops can't write (a lambda, an open file, a type without a schema) it says in many ways.
        return None
    known = (name in _TRUSTED_TYPES or name.split(".")[0] in _TRUSTED_PACKAGES for name in untrusted)
    return untrusted if all(known) else None


def _packages_of(model: Any) -> set[str]:
    """Return the top-level packages of the estimator's parts (steps, transformers, functions) and of what they learnt.

    Of a part's attributes the base classes count too: a network of the user's own class needs torch.
    """
    parts = [model, *model.get_params(deep=True).values()]
    modules = {getattr(part, "__module__", None) or type(part).__module__ for part in parts}
    for part in parts:
        for value in getattr(part, "__dict__", {}).values():
            modules |= {base.__module__ for base in type(value).__mro__}
    return {module.split(".")[0] for module in modules if isinstance(module, str)} - set(sys.stdlib_module_names)


def _torch_predictions(model: Any, rows: Any) -> Any:
    import numpy as np
    import torch

    array = rows.to_numpy(dtype=np.float32) if hasattr(rows, "to_numpy") else np.asarray(rows)
    device = next((parameter.device for parameter in model.parameters()), torch.device("cpu"))
    try:
        with torch.no_grad(), _evaluating(model):
            predictions = model(torch.from_numpy(array).to(device))
    except (RuntimeError, TypeError, ValueError) as error:
        raise InvalidInputError(
            _("The model can't predict the input example."),
            why=str(error),
            next=_("Give an array of the type and shape that the model's forward() takes, usually float32."),
        ) from error
    if not isinstance(predictions, torch.Tensor):
        raise InvalidInputError(
            _("The model's forward() must return one tensor."),
            next=_("Wrap it in a subclass of mlflow.pyfunc.PythonModel."),
        )
    result = predictions.cpu().numpy()
    if hasattr(rows, "to_numpy"):
        import pandas as pd

        return pd.DataFrame(result)
    return result


@contextmanager
def _evaluating(model: Any) -> Iterator[None]:
    """Put a torch module into evaluation mode: one saved in training mode would drop out at random when served."""
    if not _is_torch(model):
        yield
        return
    training = model.training
    model.eval()
    try:
        yield
    finally:
        model.train(training)


def _only_predict(predict: str, kind: str) -> None:
    if predict != "predict":
        raise InvalidInputError(
            _("`predict` can be chosen for scikit-learn's interface only, not for {kind}.").format(kind=kind),
            next=_("Return what you want to serve from the model itself."),
        )


def _package(model: Any) -> str:
    return type(model).__module__.split(".")[0]


def _is_python_model(model: Any) -> bool:
    from mlflow.pyfunc import PythonModel

    return isinstance(model, PythonModel)


def _is_torch(model: Any) -> bool:
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(model, torch.nn.Module)


def _is_sklearn(model: Any) -> bool:
    from sklearn.base import BaseEstimator

    return isinstance(model, BaseEstimator)
