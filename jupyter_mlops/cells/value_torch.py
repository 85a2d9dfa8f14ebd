"""PyTorch tensors: views of storages, storages as raw memory. PyTorch is not imported here."""

from __future__ import annotations

import sys
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from ..i18n import gettext as _
from .value_arrays import flat_of
from .value_errors import CannotKeep, NotRestoredError
from .value_memory import Memory, ReadMemory
from .value_names import Reduced
from .value_reading import current

if TYPE_CHECKING:
    from .value_writing import Writing


def reduce_tensor(value: Any, writing: Writing) -> Reduced:
    """A tensor as a view of its storage."""
    torch = sys.modules["torch"]
    writing.check_bound_elsewhere(value)
    writing.uses("torch")
    graph_is_gone = value.grad_fn is not None
    if graph_is_gone:
        if value.retains_grad or not _graph_is_gone(value.grad_fn):
            raise CannotKeep(value, _("it is part of a graph that gradients can still flow through"))
        value = value.detach()
    if value._backward_hooks or getattr(value, "_post_accumulate_grad_hooks", None):
        raise CannotKeep(value, _("it has hooks"))
    kind = type(value)
    if kind not in (torch.Tensor, torch.nn.Parameter):
        writing.doubts.add(kind)
        return NotImplemented
    if value.layout is not torch.strided or value.is_quantized or value.is_nested or value.device.type == "meta":
        return value.__reduce_ex__(5)  # made of tensors of the plain kind
    if value.is_conj() or value.is_neg():
        raise CannotKeep(value, _("a lazy conjugate; resolve_conj() and resolve_neg() make it a tensor of its own"))
    memory, begin, end = _memory(value, writing)
    offset, size, stride = value.storage_offset(), tuple(value.shape), value.stride()
    made_from = (memory, str(value.device), begin, end, value.dtype, offset, size, stride, kind)
    state = (value.requires_grad, value.grad, value.__dict__)
    if graph_is_gone:
        return make_used_up, made_from
    return make_tensor, made_from, state, None, None, fill_tensor


def _memory(value: Any, writing: Writing) -> tuple[Memory, int, int]:
    storage = value.untyped_storage()
    size = storage.nbytes()
    if value.device.type != "cpu":
        key = (str(value.device), storage.data_ptr())
        memory = writing.device_memories.get(key)
        if memory is None:
            copy = storage.cpu()
            start = copy.data_ptr()
            memory = writing.memories.at(start, start + size, (storage, copy))
            memory.view(start, start + size, size, None)
            writing.device_memories[key] = memory
        return memory, 0, size
    start = storage.data_ptr()
    writing.memories.foreign |= not storage.resizable()  # its memory is from elsewhere
    memory = writing.memories.at(start, start + size, storage)
    offset = memory.view(start, start + size, size, None)
    return memory, offset, offset + size


def _graph_is_gone(node: Any) -> bool:
    """Whether ``backward`` has used up the graph, so that nobody can use it any more."""
    seen, waiting = set(), [node]
    while waiting:
        node = waiting.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        for name in dir(node):
            if name.startswith("_saved_"):
                try:
                    getattr(node, name)
                except RuntimeError:  # "saved tensors after they have been freed"
                    return True
        waiting.extend(each for each, _index in node.next_functions)
    return False


# -- reading -------------------------------------------------------------------------------------------------------


def make_tensor(
    memory: ReadMemory,
    device: str,
    begin: int,
    end: int,
    dtype: Any,
    offset: int,
    size: tuple[int, ...],
    stride: tuple[int, ...],
    kind: Any,
) -> Any:
    """Read: a tensor."""
    torch = current().module("torch")
    storage = _storage(memory, device, begin, end)
    made = torch.empty(0, dtype=dtype, device=device).set_(storage, offset, size, stride)
    return torch.nn.Parameter(made, requires_grad=False) if kind is torch.nn.Parameter else made


def fill_tensor(made: Any, state: tuple[bool, Any, dict[str, Any]]) -> None:
    """Read: the gradient and the attributes of a tensor."""
    requires_grad, gradient, attributes = state
    if requires_grad:
        made.requires_grad_()
    if gradient is not None:
        made.grad = gradient
    made.__dict__.update(attributes)


def make_used_up(*made_from: Any) -> Any:
    """Read: a result whose graph ``backward`` has used up. As then, it requires a gradient and can't give one."""
    torch = current().module("torch")
    with torch.enable_grad():
        anchor = torch.empty((), requires_grad=True)
        return _used_up(torch).apply(anchor, [make_tensor(*made_from)])


@lru_cache(maxsize=1)
def _used_up(torch: Any) -> Any:
    def forward(context: Any, anchor: Any, hidden: list[Any]) -> Any:
        # In a list, so that the tensor is a result and not a view of an argument.
        return hidden[0]

    def backward(context: Any, *gradients: Any) -> Any:
        raise RuntimeError(_("This graph was used up by an earlier backward() before the tensor was kept."))

    methods = {"forward": staticmethod(forward), "backward": staticmethod(backward), "__module__": __name__}
    return type("UsedUp", (torch.autograd.Function,), methods)


def _storage(memory: ReadMemory, device: str, begin: int, end: int) -> Any:
    torch = current().module("torch")
    found = memory.storages.get((begin, end))
    if found is not None:
        return found
    if end == begin:
        found = torch.UntypedStorage(0, device=device)
    elif not device.startswith("cpu"):
        try:
            found = torch.from_numpy(flat_of(memory)).to(device).untyped_storage()
        except Exception as error:  # AssertionError, RuntimeError, NotImplementedError: each back end its own
            raise NotRestoredError(
                _("A tensor lies on the device {device}, which can't be used here: {error}").format(
                    device=device, error=str(error).splitlines()[0]
                )
            ) from error
    else:
        found = torch.from_numpy(flat_of(memory)[begin - memory.offset : end - memory.offset]).untyped_storage()
    memory.storages[begin, end] = found
    return found
