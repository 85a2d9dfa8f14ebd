"""When an execution's results may stand for running its cell again: the rules, in one place.

In doubt the cell runs. The reasons are texts for the report that a person reads.
"""

from __future__ import annotations

import platform
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from ..i18n import gettext as _
from .entries import Entry, blobs_of
from .file_digests import CHANGED, MISSING, question
from .process_questions import process_digest
from .record import Execution, why_no_key

#: Library calls whose result is thrown away and that leave nothing behind but what a cell shows, or what is recorded
#: otherwise (options, figures, generators, files). A trailing dot stands for everything below.
HARMLESS_CALLS: tuple[str, ...] = tuple(
    (
        "builtins.print IPython.display. IPython.core.display IPython.core.display_functions. time.sleep "
        "gc.collect warnings. matplotlib. seaborn. random. numpy.random. torch.manual_seed os.makedirs os.mkdir "
        "shutil. pathlib. json.dump pickle.dump joblib.dump numpy.save numpy. pandas. polars. scipy. sklearn. "
        "pprint. logging.info logging.debug logging.warning pyarrow. builtins.sorted builtins.len "
        "builtins.sum builtins.type builtins.repr builtins.isinstance builtins.max builtins.min builtins.list "
        "builtins.dict builtins.next builtins.setattr builtins.delattr copy. math. collections. itertools. "
        "functools. datetime. statistics. dataclasses. operator. string. textwrap. re. contextlib. "
        "networkx. skimage. statsmodels. plotly.io.show builtins.property builtins.staticmethod "
        "builtins.classmethod typing. abc. enum. joblib. numba. pytest. torch.no_grad torch.inference_mode "
        "torch.save "
    ).split()
)
#: Among those, the ones that do set state.
_SET_STATE = tuple(
    (
        "pandas.set_option pandas.reset_option pandas.options pandas.plotting.register numpy.set "
        "pandas.api.extensions.register polars.Config polars.enable_string_cache sklearn.set_config "
        "warnings.warn_explicit warnings.simplefilter warnings.filterwarnings warnings.resetwarnings "
        "re.purge skimage.io.use_plugin skimage.io.reset_plugins matplotlib.colormaps. "
        "matplotlib.use matplotlib.interactive matplotlib.pyplot.switch_backend matplotlib.pyplot.ion "
        "matplotlib.pyplot.ioff "
    ).split()
)


@dataclass(frozen=True, slots=True)
class Now:
    """What a cell would find if it ran now."""

    #: Names that it may read → their versions.
    reads: Mapping[str, str]
    #: Version of what libraries and modules have in them (:mod:`.hidden`); None where the cell can't use it.
    hidden: str | None
    options: Mapping[str, str]
    #: Global random generator → digest of its state; one that is not loaded is missing.
    generators: Mapping[str, str]
    environment: str
    #: Digest of a file by its recorded path, or what :func:`.file_digests.question` makes of it.
    file: Callable[[str], str]
    #: Whether a blob is in the store.
    has_blob: Callable[[str], bool]
    #: ``<pipeline run>/<step>`` that runs; empty outside a step. What its earlier attempts did counts as done.
    step: str
    #: The session that runs, and the place of the cell in it, from 1.
    session: str
    sequence: int
    #: Digest of what the process says to a question.
    process: Callable[[str], str] = process_digest


def why_run(entry: Entry, now: Now) -> str:
    """Return why an entry can't stand for running the cell now; empty: it can."""
    record = entry["record"]
    return _inputs_differ(record, now) or _acts_outside(record, now) or sets_up(record) or _not_kept(entry, now)


def why_not_again(record: Execution, now: Now) -> str:
    """Return why a cell can't be run once more, unseen, to make what it made; empty: it can.

    On the variables that it read: ``now.reads`` does not count, and neither does where its step is.
    """
    if record.get("incomplete"):
        return _("its record is incomplete")
    if record["status"] != "succeeded":
        return _("it did not succeed")
    if why := _acts_outside(record, replace(now, step="")):
        return why
    for path in record["files_written"]:
        return _("it writes the file {path}").format(path=path)
    hidden = now.hidden if "hidden" in record else None
    return sets_up(record) or _inputs_differ(record, replace(now, reads=record["reads"], hidden=hidden))


def differing_reads(record: Execution, now: Now) -> list[str]:
    """Return the names whose versions are not those that the execution read."""
    names = record["reads"].keys() | now.reads.keys()
    return sorted(name for name in names if record["reads"].get(name) != now.reads.get(name))


def _inputs_differ(record: Execution, now: Now) -> str:
    if differing := differing_reads(record, now):
        return _("it reads {names}, which is not what it was").format(names=", ".join(differing[:5]))
    if record.get("hidden") != now.hidden:
        return _("cells before it set up libraries or modules in another way")
    if record["environment"] != now.environment:
        return _("the environment has changed")
    for path, digest in (*record["files_read"].items(), *record.get("file_times", {}).items()):
        if now.file(question(path, digest)) != digest:
            return _("the file {path} has changed").format(path=path)
    for name in record["data"]:
        return _("whether {name} is what it was can't be asked").format(name=name)
    for path, module in record["module_files"].items():
        if now.file(path) != record["modules"].get(module):
            return _("the module {module} has changed").format(module=module)
    for path in record.get("module_places", ()):
        if now.file(path) != MISSING:
            return _("the module {module} has changed").format(module=path)
    for name, digest in record.get("process", {}).items():
        if now.process(name) != digest:
            return _("it asks the process for {name}, which is not what it was").format(name=name)
    if record["options"] != now.options:
        changed = sorted(name for name, _digest in set(record["options"].items()) ^ set(now.options.items()))
        return _("options are other than they were: {names}").format(names=", ".join(dict.fromkeys(changed)))
    for name, (before, _after) in record["generators"].items():
        if name not in record["seeded"] and now.generators.get(name) != before:
            return _("the random generator {name} is in another state").format(name=name)
    return ""


def _acts_outside(record: Execution, now: Now) -> str:
    # What happened once must not be taken twice: of earlier attempts of this step the same cell counts, no other.
    resumed = (
        bool(now.step)
        and now.step == f"{record['pipeline_run_id']}/{record['step']}"
        and record["session"] != now.session
        and record["sequence"] == now.sequence
    )
    if not record["key"] and not resumed:
        return {
            "network": _("it used the network"),
            "programs": _("it started other programs"),
            "background": _("it left something running"),
            "history": _("it reads outputs of other cells by their number"),
            "files": _("it changed a file that it read"),
            "doubts": in_words(record.get("doubts", [])),
        }.get(why_no_key(record), _("its result can't be told from what it read"))
    if record["background"]:
        return _("it left something running")
    if record["runs"] or record["workbench"]:
        return _("it uses the workbench: a run, inputs, outputs or the registry")
    for path, digest in record["files_written"].items():
        if digest == CHANGED or now.file(question(path, digest)) != digest:
            return _("the file {path}, which it wrote, is not as it left it").format(path=path)
    return ""


def in_words(doubts: list[str]) -> str:
    """Say what leaves open what an execution's result follows from; empty: nothing does."""
    said = {
        "reads": _("which files {what} reads can't be told"),
        "writes": _("which files {what} writes can't be told"),
        "asks": _("it asks what time it is: {what}"),
        "accessed": _("it asks when a file was read last: {what}"),
        "process": _("it asks for what is another in another process, or later: {what}"),
        "draws": _("it draws random numbers that were not seeded: {what}"),
    }
    for doubt in doubts:
        kind, _blank, what = doubt.partition(" ")
        return said.get(kind, "{what}").format(what=what)
    return ""


def sets_up(record: Execution) -> str:
    """Return why an execution may have set state that no variable shows; empty: it has not."""
    if record["opaque"]:
        return _("what it does can't be told from its code: {what}").format(what=", ".join(record["opaque"][:3]))
    if record["effects"]:
        return _("it acts on the session: {what}").format(what=", ".join(record["effects"][:3]))
    if record["options"] != record["options_after"]:
        return _("it sets options")
    if changed := record.get("given_changed"):
        return _("it changes {names}, which a library may have").format(names=", ".join(changed[:3]))
    calls = [call for call in record["calls"] if may_set_state(call)]
    if calls:
        return _("it calls {what}, which may set state that no variable shows").format(what=", ".join(calls[:3]))
    return ""


def _not_kept(entry: Entry, now: Now) -> str:
    for name, why in entry["not_kept"].items():
        return _("{name} could not be kept: {why}").format(name=name, why=why)
    if entry["python"] != platform.python_version():
        return _("it was kept by Python {version}").format(version=entry["python"])
    if not all(map(now.has_blob, blobs_of(entry))):
        return _("what was kept is no longer there")
    return ""


def may_set_state(call: str) -> bool:
    """Whether a library's function, by its full name, may set state that no variable shows."""
    if call.startswith(_SET_STATE) or not call.startswith(HARMLESS_CALLS):
        return True
    if call.startswith("networkx.set_"):  # attributes of a graph, which is a variable
        return False
    return any(part.startswith(("register", "unregister", "set_")) for part in call.split("."))
