"""Reading a pipeline file: ``*.pipeline.yaml`` to a :class:`PipelineSpec`, and everything that is wrong with it.

Every problem is reported at once, with line, column and a way to mend it; a file with a problem has no spec.
"""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import Any

from ..errors import InvalidInputError, MlopsError, NotFoundError, PathError, from_os_error
from ..i18n import gettext as _
from ..workspace import STATE_NAME, Workspace
from . import expressions
from .expressions import OutputReference, ParameterReference
from .files import is_pipeline
from .graph import cycles, in_order
from .notebook_parameters import parameters_of
from .parameter_types import TYPES, fits, type_of
from .types import ParameterSpec, PipelineDocument, PipelineSpec, Problem, StepSpec
from .yaml_positions import MAX_BYTES, Entry, Located, Place, kind_of, load, texts

MAX_STEPS = 1000
_TOP_KEYS = ("name", "description", "parameters", "steps")
_PARAMETER_KEYS = ("type", "default", "description")
_STEP_KEYS = ("notebook", "parameters", "inputs", "outputs", "needs", "timeout_minutes")


def read_document(workspace: Workspace, path: str) -> PipelineDocument:
    """Read and check the pipeline file at a workspace path.

    Raises :class:`PathError` where the path leaves the workspace, :class:`NotFoundError` where there is no such file.
    """
    file = workspace.resolve(path)
    if not is_pipeline(path):
        raise InvalidInputError(
            _("{path} is not named as a pipeline file.").format(path=path),
            next=_("A pipeline file's name ends with .pipeline.yaml."),
        )
    try:
        size = file.stat().st_size
        raw = b"" if size > MAX_BYTES else file.read_bytes()
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError) as error:
        raise NotFoundError(
            _("There is no pipeline file {path}.").format(path=path),
            next=_("`mlops pipeline list` shows the pipeline files of the workspace."),
        ) from error
    except OSError as error:
        raise from_os_error(error, _("read {path}").format(path=path), path) from error
    stored = workspace.relative(path)
    document, problems = load(raw, size)
    reader = _Reader(workspace, stored, problems)
    spec = reader.read(document) if document is not None else None
    problems.sort(key=lambda problem: (problem.line, problem.column))
    return PipelineDocument(path=stored, spec=None if problems else spec, problems=problems)


class _Reader:
    """Reads one document, collecting problems as it goes on."""

    def __init__(self, workspace: Workspace, path: str, problems: list[Problem]):
        self._workspace = workspace
        self._path = path
        self._problems = problems
        self._parameters: dict[str, ParameterSpec] = {}
        self._step_places: dict[str, Place] = {}

    def _say(self, place: Place, message: str, fix: str = "") -> None:
        self._problems.append(place.problem(message, fix))

    def read(self, document: Located) -> PipelineSpec | None:
        """Return the pipeline; what it holds is only right where no problem was found."""
        top = self._mapping(document, _("A pipeline file"))
        if top is None:
            return None
        self._known_keys(top, _TOP_KEYS, _("a pipeline"))
        name = self._text(top, "name")
        description = self._text(top, "description")
        if "name" not in top:
            name = PurePosixPath(self._path).name.split(".pipeline.")[0]
        elif not name.strip() or len(name) > 200:
            self._say(top["name"].value.place, _("A pipeline's name is 1 to 200 characters."))
        if "parameters" in top:
            self._read_parameters(top["parameters"].value)
        steps = self._read_steps(top, document.place)
        return PipelineSpec(
            name=name,
            path=self._path,
            description=description,
            parameters=list(self._parameters.values()),
            steps=steps,
        )

    # -- parts -------------------------------------------------------------------------------------------------

    def _read_parameters(self, node: Located) -> None:
        for name, entry in (self._mapping(node, "parameters", empty=True) or {}).items():
            if not name.isidentifier():
                self._say(
                    entry.key_place,
                    _("'{name}' can't be a parameter's name.").format(name=name),
                    _("Use letters, digits and _, not beginning with a digit."),
                )
                continue
            self._parameters[name] = self._read_parameter(name, entry.value)

    def _read_parameter(self, name: str, node: Located) -> ParameterSpec:
        if not isinstance(node.value, dict):
            self._no_expressions(node, _("a default"))
            return ParameterSpec(name=name, type=type_of(node.plain()), default=node.plain())
        self._known_keys(node.value, _PARAMETER_KEYS, _("a parameter"))
        default = node.value["default"].value.plain() if "default" in node.value else None
        kind = self._text(node.value, "type") if "type" in node.value else type_of(default)
        if kind not in TYPES:
            self._say(
                node.value["type"].value.place,
                _("There is no parameter type '{type}'.").format(type=kind),
                _("Types are: {types}.").format(types=", ".join(TYPES)),
            )
            kind = "any"
        if "default" in node.value:
            place = node.value["default"].value
            self._no_expressions(place, _("a default"))
            if default is not None and not fits(default, kind):
                self._say(
                    place.place,
                    _("The default of '{name}' is {found}, not of type {type}.").format(
                        name=name, found=kind_of(default), type=kind
                    ),
                    _("Change the default or the type."),
                )
        return ParameterSpec(
            name=name,
            type=kind,
            default=default,
            description=self._text(node.value, "description"),
        )

    def _read_steps(self, top: dict[str, Entry], place: Place) -> list[StepSpec]:
        if "steps" not in top:
            self._say(place, _("The pipeline has no steps."), _("Add `steps:` with a notebook for each."))
            return []
        node = top["steps"].value
        entries = self._mapping(node, "steps")
        if not entries:
            return []
        if len(entries) > MAX_STEPS:
            self._say(node.place, _("A pipeline has at most {n} steps.").format(n=MAX_STEPS), _("Split it."))
            return []
        self._step_places = {name: entry.key_place for name, entry in entries.items()}
        outputs = {name: self._declared_outputs(entry.value) for name, entry in entries.items()}
        steps = [self._read_step(name, entry, outputs) for name, entry in entries.items()]
        graph = {step.name: [need for need in step.needs if need in entries and need != step.name] for step in steps}
        rings = cycles(graph)
        for ring in rings:
            self._say(
                self._step_places[ring[0]],
                _("These steps wait for each other: {ring}.").format(ring=" → ".join([*ring, ring[0]])),
                _("Remove one of the inputs or needs between them."),
            )
        if rings:
            return steps
        by_name = {step.name: step for step in steps}
        return [by_name[name] for name in in_order(graph)]

    @staticmethod
    def _declared_outputs(node: Located) -> set[str] | None:
        entry = node.value.get("outputs") if isinstance(node.value, dict) else None
        if entry is None:
            return set()
        if not isinstance(entry.value.value, list):
            return None  # wrong, and said where the step is read
        return {item.value for item in entry.value.value if isinstance(item.value, str)}

    def _read_step(self, name: str, entry: Entry, outputs: dict[str, set[str] | None]) -> StepSpec:
        if not expressions.is_name(name):
            self._say(
                entry.key_place,
                _("'{name}' can't be a step's name.").format(name=name),
                _("Begin with a letter; letters, digits, _ and -, at most 64."),
            )
        fields = self._mapping(entry.value, _("A step"), fix=_("Write `notebook: name.ipynb` below it."))
        if fields is None:
            return StepSpec(name=name, notebook="")
        self._known_keys(fields, _STEP_KEYS, _("a step"))
        notebook, known = self._read_notebook(fields, entry.key_place)
        inputs, from_inputs = self._read_inputs(name, fields, outputs)
        needs = self._names(fields, "needs")
        for need, place in needs.items():
            if need not in self._step_places or need == name:
                self._unknown_step(place, need, itself=need == name)
        return StepSpec(
            name=name,
            notebook=notebook,
            parameters=self._read_step_parameters(fields, known, notebook),
            inputs=inputs,
            outputs=list(self._names(fields, "outputs", as_names=True)),
            needs=list(dict.fromkeys([*from_inputs, *needs])),
            timeout_minutes=self._read_timeout(fields),
        )

    def _read_notebook(self, fields: dict[str, Entry], place: Place) -> tuple[str, set[str] | None]:
        """Return the notebook's workspace path and the names of its parameters (None: not known)."""
        if "notebook" not in fields:
            self._say(place, _("The step names no notebook."), _("Write `notebook: name.ipynb` below it."))
            return "", None
        written, place = self._text(fields, "notebook"), fields["notebook"].value.place
        if not written:
            return "", None
        if not written.endswith(".ipynb"):
            self._say(place, _("{path} is not a notebook.").format(path=written), _("Name an .ipynb file."))
            return "", None
        try:
            file = self._workspace.resolve(PurePosixPath(self._path).parent / written)
            if Path(self._workspace.relative(file)).parts[:1] == (STATE_NAME,):
                raise PathError(_("{path} is in {folder}, which is not yours.").format(path=written, folder=STATE_NAME))
            stored = self._workspace.relative(file)
            if not file.is_file():
                self._say(
                    place,
                    _("There is no notebook {path}.").format(path=stored),
                    _("Paths are relative to the folder of the pipeline file."),
                )
                return stored, None
            return stored, parameters_of(file, stored)
        except MlopsError as error:
            self._say(place, f"{error.what} {error.why}".strip(), error.next)
        except OSError as error:
            self._say(place, str(from_os_error(error, _("read {path}").format(path=written), written)))
        return "", None

    def _read_step_parameters(self, fields: dict[str, Entry], known: set[str] | None, notebook: str) -> dict[str, Any]:
        if "parameters" not in fields:
            return {}
        entries = self._mapping(fields["parameters"].value, "parameters", empty=True) or {}
        for name, entry in entries.items():
            self._check_expressions(entry.value)
            if known is None or name in known:
                continue
            if known:
                message = _("{notebook} has no parameter '{name}'.").format(notebook=notebook, name=name)
                fix = _("Its 'parameters' cell assigns: {known}.").format(known=", ".join(sorted(known)))
            else:
                message = _("{notebook} has no cell tagged 'parameters', so '{name}' would have no effect.").format(
                    notebook=notebook, name=name
                )
                fix = _("Tag the cell that sets its defaults: in JupyterLab's property inspector, 'Add tag'.")
            self._say(entry.key_place, message, fix)
        return {name: entry.value.plain() for name, entry in entries.items()}

    def _read_inputs(
        self, step: str, fields: dict[str, Entry], outputs: dict[str, set[str] | None]
    ) -> tuple[dict[str, str], list[str]]:
        """Return the inputs as ``step.output`` and the steps that they come from."""
        if "inputs" not in fields:
            return {}, []
        found: dict[str, str] = {}
        for name, entry in (self._mapping(fields["inputs"].value, "inputs", empty=True) or {}).items():
            self._check_name(entry.key_place, name, _("an input"))
            place = entry.value.place
            reference = expressions.single(entry.value.value)
            if not isinstance(reference, OutputReference):
                self._say(
                    place,
                    _("An input is one output of another step."),
                    _("Write ${{ steps.<step>.outputs.<output> }}; plain values are parameters."),
                )
            elif reference.step not in self._step_places or reference.step == step:
                self._unknown_step(place, reference.step, itself=reference.step == step)
            else:
                declared = outputs[reference.step]
                if declared is not None and reference.output not in declared:
                    known = ", ".join(sorted(declared)) or _("none")
                    self._say(
                        place,
                        _("The step '{step}' has no output '{output}'.").format(
                            step=reference.step, output=reference.output
                        ),
                        _("It declares: {known}. Add it to its `outputs:`, or name another.").format(known=known),
                    )
                found[name] = f"{reference.step}.{reference.output}"
        return found, list(dict.fromkeys(source.partition(".")[0] for source in found.values()))

    def _read_timeout(self, fields: dict[str, Entry]) -> float:
        if "timeout_minutes" not in fields:
            return 0
        node = fields["timeout_minutes"].value
        if isinstance(node.value, bool) or not isinstance(node.value, (int, float)) or node.value < 0:
            self._say(node.place, _("'timeout_minutes' is not a number of minutes."), _("Write 0 for no limit."))
            return 0
        return float(node.value)

    # -- checks ------------------------------------------------------------------------------------------------

    def _mapping(self, node: Located, what: str, *, empty: bool = False, fix: str = "") -> dict[str, Entry] | None:
        if node.value is None and empty:
            return {}
        if isinstance(node.value, dict) and (node.value or empty):
            return node.value
        message = _("'{what}' is {found}; it must be a mapping.").format(
            what=what, found=_("empty") if node.value == {} else node.kind
        )
        self._say(node.place, message, fix or _("Write `name: value` lines below it, indented."))
        return None

    def _known_keys(self, fields: dict[str, Entry], known: tuple[str, ...], what: str) -> None:
        for key, entry in fields.items():
            if key not in known:
                self._say(
                    entry.key_place,
                    _("There is no key '{key}' in {what}.").format(key=key, what=what),
                    _("Known here: {known}.").format(known=", ".join(known)),
                )

    def _text(self, fields: dict[str, Entry], key: str) -> str:
        if key not in fields:
            return ""
        node = fields[key].value
        if isinstance(node.value, str):
            return node.value
        message = _("'{key}' is {found}; it must be text.").format(key=key, found=node.kind)
        self._say(node.place, message, _("Put it in quotes."))
        return ""

    def _names(self, fields: dict[str, Entry], key: str, *, as_names: bool = False) -> dict[str, Place]:
        if key not in fields or fields[key].value.value is None:
            return {}
        node = fields[key].value
        if not isinstance(node.value, list):
            message = _("'{key}' is {found}; it must be a list.").format(key=key, found=node.kind)
            self._say(node.place, message, _("Write {key}: [name, name]").format(key=key))
            return {}
        found: dict[str, Place] = {}
        for item in node.value:
            if not isinstance(item.value, str):
                self._say(item.place, _("This is {found}; it must be a name.").format(found=item.kind))
            elif item.value in found:
                self._say(item.place, _("'{name}' stands here twice.").format(name=item.value), _("Remove one."))
            elif not as_names or self._check_name(item.place, item.value, _("an output")):
                found[item.value] = item.place
        return found

    def _check_name(self, place: Place, name: str, what: str) -> bool:
        if expressions.is_name(name):
            return True
        self._say(
            place,
            _("'{name}' can't be the name of {what}.").format(name=name, what=what),
            _("Begin with a letter; letters, digits, _ and -, at most 64."),
        )
        return False

    def _unknown_step(self, place: Place, name: str, *, itself: bool) -> None:
        if itself:
            self._say(place, _("The step waits for itself."), _("Remove this."))
        else:
            known = ", ".join(self._step_places)
            self._say(
                place,
                _("There is no step '{name}'.").format(name=name),
                _("Steps are: {known}.").format(known=known),
            )

    def _no_expressions(self, node: Located, what: str) -> None:
        for place, text in texts(node):
            if "${{" in text:
                self._say(
                    place, _("No expression is possible in {what}.").format(what=what), _("Write the value itself.")
                )

    def _check_expressions(self, node: Located) -> None:
        for place, text in texts(node):
            for written, reference in expressions.references(text):
                if reference is None:
                    self._say(
                        place,
                        _("{expression} means nothing.").format(expression=written[:80]),
                        _("Expressions are ${{ parameters.x }} and, in inputs, ${{ steps.s.outputs.o }}."),
                    )
                elif isinstance(reference, OutputReference):
                    self._say(
                        place,
                        _("An output can't be a parameter: {expression}.").format(expression=written),
                        _("Put it under `inputs:` and read it with mlops.inputs[...]."),
                    )
                elif isinstance(reference, ParameterReference) and reference.name not in self._parameters:
                    self._say(
                        place,
                        _("The pipeline has no parameter '{name}'.").format(name=reference.name),
                        _("Add it to the pipeline's `parameters:`."),
                    )
