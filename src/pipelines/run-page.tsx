import { refreshIcon, stopIcon } from '@jupyterlab/ui-components';
import { CommandIDs } from '../commands';
import type { IServices } from '../components';
import {
  Button,
  Duration,
  ErrorView,
  Facts,
  Link,
  QueryState,
  RelativeTime,
  Section,
  StatusBadge,
  useChanged,
  useServices,
  useTrans,
  viewOf
} from '../components';
import type { IView } from '../components/lazy';
import { attempt } from '../components/notify';
import type { IWorkspace } from '../workspace/tokens';
import { PipelineRunModel } from './run-model';
import { Step } from './step';
import type { PipelineRun } from './types';

/** The page of one pipeline run. */
export function createPipelineRunPage(
  services: IServices,
  workspace: IWorkspace,
  id: string
): IView {
  const model = new PipelineRunModel(services, workspace, id);
  return viewOf(services, model, <PipelineRunPage model={model} />);
}

export function PipelineRunPage(props: {
  model: PipelineRunModel;
}): JSX.Element {
  const { model } = props;
  const trans = useTrans();
  useChanged(model);
  const { run } = model;
  if (!run) {
    return <QueryState query={model.query} />;
  }
  const failedStep = run.steps.some(step => step.error);
  return (
    <article aria-label={trans.__('Pipeline run %1', run.name)}>
      <Head model={model} run={run} />
      {run.error && !failedStep && (
        <ErrorView error={run.error} trans={trans} />
      )}
      <Section title={trans.__('Steps')}>
        <ol className="jp-mlops-StepList">
          {run.steps.map(step => (
            <Step key={step.name} model={model} step={step} />
          ))}
        </ol>
      </Section>
      <About model={model} run={run} />
    </article>
  );
}

function Head(props: {
  model: PipelineRunModel;
  run: PipelineRun;
}): JSX.Element {
  const { model, run } = props;
  const trans = useTrans();
  const active = run.status === 'running' || run.status === 'queued';
  const resumable = run.status === 'failed' || run.status === 'cancelled';
  return (
    <header className="jp-mlops-PageHead">
      <div>
        <h1>{run.name}</h1>
        <p>
          <span aria-live="polite">
            <StatusBadge status={run.status} />
          </span>
          <span>
            {trans.__('%1 of %2 steps', run.steps_done, run.steps_total)}
            {' · '}
            <RelativeTime at={run.created_at} />
            {' · '}
            <Duration start={run.started_at} end={run.ended_at} />
          </span>
        </p>
      </div>
      {active && (
        <Button
          icon={stopIcon}
          title={trans.__('Stop the run; finished steps stay finished')}
          onClick={() => void attempt(trans, () => model.cancel())}
        >
          {trans.__('Cancel')}
        </Button>
      )}
      {resumable && (
        <Button
          primary
          icon={refreshIcon}
          title={trans.__('Go on after the last finished step')}
          onClick={() => void attempt(trans, () => model.resume())}
        >
          {trans.__('Resume')}
        </Button>
      )}
    </header>
  );
}

function About(props: {
  model: PipelineRunModel;
  run: PipelineRun;
}): JSX.Element {
  const { model, run } = props;
  const { commands, trans } = useServices();
  const parameters = Object.entries(run.parameters);
  return (
    <Section title={trans.__('About this run')}>
      <Facts
        items={[
          [
            trans.__('File'),
            <Link
              key="file"
              onClick={() => {
                void commands.execute(CommandIDs.openPath, {
                  path: run.path,
                  workspace: model.workspace.root
                });
              }}
            >
              {run.path}
            </Link>
          ],
          ...parameters.map(([name, value]): [string, React.ReactNode] => [
            name,
            <code key={name}>{JSON.stringify(value)}</code>
          ]),
          [trans.__('Snapshot'), run.snapshot && <code>{run.snapshot}</code>],
          [trans.__('Round'), run.round > 1 && String(run.round)],
          [trans.__('Run id'), <code key="id">{run.id}</code>]
        ]}
      />
    </Section>
  );
}
