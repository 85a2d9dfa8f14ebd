"""A model's signature as the faces and the protocols show it: lists of :class:`TensorSpec`."""

from __future__ import annotations

from typing import Any

from .types import TensorSpec


def specs_of(schema: Any, unnamed: str) -> list[TensorSpec]:
    """Return an MLflow ``Schema`` as specs; an empty list for None.

    Inputs that have no name are called ``unnamed`` where there is one, ``<unnamed>-0``, ``<unnamed>-1``, … otherwise.
    """
    if schema is None:
        return []
    specs = list(schema.inputs)
    if schema.is_tensor_spec():
        return [
            TensorSpec(
                name=_name(spec, unnamed, i, len(specs)),
                datatype=str(spec.type),
                shape=[int(size) for size in spec.shape],
                required=bool(getattr(spec, "required", True)),
            )
            for i, spec in enumerate(specs)
        ]
    return [
        TensorSpec(
            name=_name(spec, unnamed, i, len(specs)),
            datatype=getattr(spec.type, "name", None) or str(spec.type),
            shape=[-1],
            required=bool(getattr(spec, "required", True)),
        )
        for i, spec in enumerate(specs)
    ]


def _name(spec: Any, unnamed: str, index: int, count: int) -> str:
    name = getattr(spec, "name", None)
    if name is not None and str(name) != "":
        return str(name)
    return unnamed if count == 1 else f"{unnamed}-{index}"
