"""The flights story, from notebook to prediction: what `make demo` and `make lab` run.

Makes a fresh workspace in demo/flights from examples/flights, runs its pipeline, asks the endpoint, shows what led to
one of the answers, and opens JupyterLab on it. Exits 0 only if all of that worked.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import time
from pathlib import Path
from typing import Any, NoReturn

from demo_workspace import DemoError, fresh_workspace, shown

from jupyter_mlops.engine.service import EngineService
from jupyter_mlops.errors import MlopsError, NotFoundError, from_os_error
from jupyter_mlops.lineage.types import Trace
from jupyter_mlops.pipelines.service import PipelineService
from jupyter_mlops.pipelines.terminal import LiveRun, duration, error_lines
from jupyter_mlops.pipelines.types import PipelineRun, StartRequest
from jupyter_mlops.serving.commands import say_trace
from jupyter_mlops.serving.service import ServingService
from jupyter_mlops.serving.types import Endpoint, Prediction, PredictRequest
from jupyter_mlops.terminal import say_error
from jupyter_mlops.workspace import WORKSPACE_VARIABLE, Workspace

ROOT = Path(__file__).resolve().parents[1]
PIPELINE = "flights.pipeline.yaml"
#: Longest wait for a line of the request log, seconds; it is written within a second of the answer.
LOG_SECONDS = 10.0
PER_MONTH = 20
#: A flight as it stands in the table, and the endpoint's answer.
Asked = tuple[dict[str, Any], Prediction]


def main() -> int:
    """Run the demo; return the exit code."""
    options = _options()
    os.environ.pop(WORKSPACE_VARIABLE, None)  # of a workspace that the caller happens to be in
    # Threads that wait for each other are to sleep: by default they spin, which doubles the time on a busy machine.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    folder = options.folder.resolve()
    try:
        if options.lab:
            workspace = Workspace(folder) if folder.exists() else fresh_workspace(folder)
        else:
            workspace = Workspace(folder) if options.keep and folder.exists() else fresh_workspace(folder)
            tell_story(workspace, {"model": options.model, "sample": options.sample})
    except DemoError as error:
        print(f"\nThe demo failed. {error}", file=sys.stderr)
        return 1
    except MlopsError as error:
        print(f"\nThe demo failed.\n{say_error(error)}", file=sys.stderr)
        print(f"  Logs: {shown(folder / '.mlops' / 'logs')}", file=sys.stderr)
        return 1
    except OSError as error:
        print(
            f"\nThe demo failed.\n{say_error(from_os_error(error, 'make the workspace', error.filename))}",
            file=sys.stderr,
        )
        return 1
    except KeyboardInterrupt:
        print("\nStopped.", file=sys.stderr)
        return 130
    if options.lab or options.open:
        open_lab(workspace)
    print("\nTo see all of it in JupyterLab:  make lab")
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Run the flights story from notebook to prediction.")
    parser.add_argument("--no-open", dest="open", action="store_false", help="don't open JupyterLab at the end")
    parser.add_argument("--lab", action="store_true", help="only open JupyterLab, on the demo as it stands")
    parser.add_argument("--keep", action="store_true", help="run in the demo as it stands instead of in a fresh copy")
    parser.add_argument("--model", choices=["sklearn", "torch"], default="sklearn")
    parser.add_argument("--sample", type=float, default=1.0, metavar="SHARE", help="share of the flights, 1: all")
    parser.add_argument("--folder", type=Path, default=ROOT / "demo" / "flights", help="where the workspace is made")
    return parser.parse_args()


# -- the story -----------------------------------------------------------------------------------------------------


def tell_story(workspace: Workspace, parameters: dict[str, Any]) -> None:
    """Run the pipeline, ask the endpoint, and print the summary."""
    run = run_pipeline(workspace, parameters)
    report = json.loads(_output(workspace, run, "evaluate", "report").read_text(encoding="utf-8"))
    endpoint = check_endpoint(workspace, run, report)
    asked = ask(workspace, run, endpoint)
    told = max(asked, key=lambda each: _late(each[1]))
    trace = trace_back(workspace, told[1])
    print_summary(workspace, run, report, endpoint, asked, told, trace)


def run_pipeline(workspace: Workspace, parameters: dict[str, Any]) -> PipelineRun:
    """Run the pipeline with its progress shown; raise :class:`DemoError` naming the step that failed and its log."""
    service = PipelineService(workspace)
    run = service.start(StartRequest(path=PIPELINE, parameters=parameters))
    print(f"Pipeline:  {PIPELINE}, run {run.id}\n")
    try:
        run = service.wait(run.id, on_change=LiveRun(sys.stdout))
    except KeyboardInterrupt:
        service.cancel(run.id)
        raise
    if run.status == "succeeded":
        return run
    failed = next((step for step in run.steps if step.status == "failed"), None)
    where = f"the step {failed.name} ({failed.notebook})" if failed else "the run"
    lines = [f"The pipeline {run.status}: {where}.", *error_lines(run)]
    if failed:
        log = workspace.state / "pipelines" / run.id / failed.name / str(failed.attempt)
        lines.append(f"  Log and executed notebook: {shown(log)}")
    lines.append(f"  Worker's log: {shown(EngineService(workspace).log)}")
    raise DemoError("\n".join(lines))


def check_endpoint(workspace: Workspace, run: PipelineRun, report: dict[str, Any]) -> Endpoint:
    """Return the endpoint, answering with the version that this run made; else say why it does not."""
    version = _output(workspace, run, "publish", "version").read_text(encoding="utf-8")
    name = str(run.parameters["endpoint"])
    try:
        endpoint = ServingService(workspace).endpoint(name)
    except NotFoundError as error:
        auc, gate = report["valid"]["auc"], run.parameters["min_auc"]
        raise DemoError(f"{version} was not put into service: its AUC is {auc:.4f}, the gate {gate}.") from error
    served = f"{endpoint.deployment.model}/{endpoint.deployment.version}" if endpoint.deployment else "nothing"
    if endpoint.status != "ready" or served != version:
        raise DemoError(f"The endpoint {name} is {endpoint.status} with {served}; this run made {version}.")
    return endpoint


def ask(workspace: Workspace, run: PipelineRun, endpoint: Endpoint) -> list[Asked]:
    """Send flights of each later month to the endpoint, one request for each; return them with the answers."""
    import pandas as pd

    later = pd.read_parquet(_output(workspace, run, "prepare", "later"))
    columns = [spec.name for spec in endpoint.inputs]
    chosen = pd.concat(
        month.sample(min(PER_MONTH, len(month)), random_state=2013) for _, month in later.groupby("month")
    )
    rows = chosen[columns].astype(object).where(chosen[columns].notna(), None)
    serving = ServingService(workspace)
    return [
        (flight, serving.predict(endpoint.name, PredictRequest(columns=columns, data=[row])))
        for flight, row in zip(chosen.to_dict("records"), rows.to_numpy().tolist(), strict=True)
    ]


def trace_back(workspace: Workspace, prediction: Prediction) -> Trace:
    """Return what led to a prediction; raise :class:`DemoError` where a link is missing."""
    serving = ServingService(workspace)
    end = time.monotonic() + LOG_SECONDS
    while True:
        try:
            trace = serving.trace_prediction(prediction.request_id)
            break
        except NotFoundError:
            if time.monotonic() > end:
                raise
            time.sleep(0.1)
    wanted = {"deployment", "model_version", "run", "notebook", "pipeline_run"}
    if (workspace.root / ".git").is_dir():
        wanted.add("snapshot")
    missing = wanted - {node.kind for node in trace.nodes}
    if missing:
        raise DemoError(f"The trace of the prediction {prediction.request_id} lacks: {', '.join(sorted(missing))}.")
    return trace


def _output(workspace: Workspace, run: PipelineRun, step: str, name: str) -> Path:
    outputs = PipelineService(workspace).step(run.id, step).outputs
    return workspace.resolve(next(each.path for each in outputs if each.name == name))


# -- the summary ---------------------------------------------------------------------------------------------------


def print_summary(
    workspace: Workspace,
    run: PipelineRun,
    report: dict[str, Any],
    endpoint: Endpoint,
    asked: list[Asked],
    told: Asked,
    trace: Trace,
) -> None:
    """Print what happened, for a person."""
    _heading("Steps")
    for step in run.steps:
        print(f"  {step.name:<10} {duration(step.started_at, step.ended_at):>9}   {step.notebook}")
    print(f"  {'all':<10} {duration(run.started_at, run.ended_at):>9}")

    _heading("Metrics")
    low, high = report["valid_auc_interval"]
    for name, what in (("valid", "held-out weeks, January to June"), ("later", "the months after, July to December")):
        score = report[name]
        figures = "  ".join(f"{label} {score[key]:.4f}" for label, key in _FIGURES)
        print(f"  {what:<36} {figures}   {score['flights']:,} flights")
    print(f"  95 % interval of the first AUC: {low:.4f} to {high:.4f}")

    _heading("Endpoint")
    flight, prediction = told
    times = sorted(answer.milliseconds for _, answer in asked)
    print(f"  {endpoint.name}  {endpoint.url}  answers with {prediction.model}/{prediction.version}")
    print(f"  {len(asked)} requests answered; at the model server {statistics.median(times):.1f} ms each (median)")
    mlops = os.path.relpath(Path(sys.executable).with_name("mlops"), workspace.root)
    print(f"  Ask it:    cd {shown(workspace.root)} && {mlops} predict {endpoint.name}")
    print(f"  Stop it:   cd {shown(workspace.root)} && {mlops} endpoints stop {endpoint.name}")

    _heading("A prediction: the highest of those requests")
    when = flight["departure_hour"].tz_convert("America/New_York")
    print(
        f"  Flight {flight['flight']} from {flight['origin']} to {flight['dest']}, {when:%d %B %Y}, {when:%H} o'clock:"
    )
    print(f"  {_late(prediction):.0%} likely to be late. It {'was' if flight['late'] else 'was not'}.")
    for outcome, what in ((True, "late"), (False, "not late")):
        given = [_late(answer) for row, answer in asked if bool(row["late"]) is outcome]
        if given:
            print(f"  Given on average to the {len(given)} flights that were {what}: {statistics.mean(given):.0%}")

    _heading("What led to this prediction")
    print("\n".join(f"  {line}" for line in say_trace(trace).splitlines()))


_FIGURES = (("AUC", "auc"), ("log loss", "log_loss"), ("Brier", "brier"))


def _late(prediction: Prediction) -> float:
    """The probability of being late: the second of the two classes."""
    return float(prediction.predictions[0][1])


def _heading(text: str) -> None:
    print(f"\n{text}\n{'-' * len(text)}")


def open_lab(workspace: Workspace) -> NoReturn:
    """Become JupyterLab, opened on the workspace."""
    stays = " The endpoint goes on answering." if ServingService(workspace).endpoints() else ""
    print(f"\nOpening JupyterLab on {shown(workspace.root)}; end it with Ctrl-C.{stays}")
    sys.stdout.flush()
    as_root = ["--allow-root"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
    os.chdir(workspace.root)
    os.execv(sys.executable, [sys.executable, "-m", "jupyterlab", *as_root])


if __name__ == "__main__":
    sys.exit(main())
