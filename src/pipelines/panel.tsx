import { refreshIcon, runIcon } from '@jupyterlab/ui-components';
import { CommandIDs } from '../commands';
import type { IServices } from '../components';
import {
  Button,
  Duration,
  EmptyState,
  IconButton,
  Link,
  Progress,
  QueryState,
  RelativeTime,
  Section,
  StatusBadge,
  useChanged,
  useServices,
  useTrans
} from '../components';
import type { IView } from '../components/lazy';
import { workspaceViewOf } from '../workspace/gate';
import { PipelinesModel } from './model';
import type { PipelineFile, PipelineRunSummary } from './types';

/** The Pipelines panel. */
export function createPipelinesView(services: IServices): IView {
  const model = new PipelinesModel(services);
  return workspaceViewOf(services, model, <PipelinesView model={model} />);
}

export function PipelinesView(props: { model: PipelinesModel }): JSX.Element {
  const { model } = props;
  const trans = useTrans();
  useChanged(model);
  return (
    <>
      <Section
        title={trans.__('Pipelines')}
        aside={
          <IconButton
            icon={refreshIcon}
            label={trans.__('Look for pipeline files again')}
            onClick={() => void model.files.refresh()}
          />
        }
      >
        <Files model={model} />
      </Section>
      <Section title={trans.__('Runs')}>
        <Runs model={model} />
      </Section>
    </>
  );
}

function Files(props: { model: PipelinesModel }): JSX.Element {
  const { files } = props.model;
  const trans = useTrans();
  if (files.error || !files.data) {
    return <QueryState query={files} quiet />;
  }
  if (!files.data.length) {
    return (
      <EmptyState title={trans.__('No pipeline file yet.')}>
        <p>
          {trans.__(
            'A pipeline is a file that ends in .pipeline.yaml and names notebooks as steps. A single notebook runs as a job from its context menu.'
          )}
        </p>
      </EmptyState>
    );
  }
  return (
    <ul className="jp-mlops-List">
      {files.data.map(file => (
        <File key={file.path} file={file} />
      ))}
    </ul>
  );
}

function File(props: { file: PipelineFile }): JSX.Element {
  const { file } = props;
  const { commands, trans } = useServices();
  const open = () => {
    void commands.execute(CommandIDs.openPath, { path: file.path });
  };
  return (
    <li className="jp-mlops-Card">
      <div className="jp-mlops-Card-head">
        <strong>{file.name}</strong>
        <Button
          primary
          icon={runIcon}
          disabled={file.problems.length > 0}
          title={
            file.problems.length
              ? trans.__('Correct the problems first')
              : trans.__('Run this pipeline')
          }
          aria-label={trans.__('Run %1…', file.name)}
          onClick={() => {
            void commands.execute(CommandIDs.runPipeline, { path: file.path });
          }}
        >
          {trans.__('Run…')}
        </Button>
      </div>
      {file.description && <p>{file.description}</p>}
      <p className="jp-mlops-Steps">{file.steps.join(' → ')}</p>
      <Link onClick={open}>{file.path}</Link>
      {file.problems.length > 0 && (
        <ul className="jp-mlops-Problems">
          {file.problems.map((problem, index) => (
            <li key={index}>
              <Link onClick={open}>
                {problem.line
                  ? trans.__('Line %1:', problem.line)
                  : trans.__('File:')}
              </Link>{' '}
              {problem.message}
              {problem.fix && (
                <span className="jp-mlops-Muted"> → {problem.fix}</span>
              )}
            </li>
          ))}
        </ul>
      )}
    </li>
  );
}

function Runs(props: { model: PipelinesModel }): JSX.Element {
  const { model } = props;
  const { runs } = model;
  const trans = useTrans();
  if (!runs.data) {
    return <QueryState query={runs} quiet />;
  }
  const { items, next_page_token: more } = runs.data;
  if (!items.length) {
    return <EmptyState title={trans.__('Nothing has run yet.')} />;
  }
  return (
    <>
      <ul className="jp-mlops-List" aria-label={trans.__('Pipeline runs')}>
        {items.map(run => (
          <Run key={run.id} run={run} />
        ))}
      </ul>
      {more && (
        <Button disabled={runs.isLoading} onClick={() => model.showMore()}>
          {trans.__('Show older runs')}
        </Button>
      )}
    </>
  );
}

function Run(props: { run: PipelineRunSummary }): JSX.Element {
  const { run } = props;
  const { commands, trans, workspaces } = useServices();
  const active = run.status === 'running' || run.status === 'queued';
  return (
    <li>
      <button
        type="button"
        className="jp-mlops-Row"
        onClick={() => {
          void commands.execute(CommandIDs.openPipelineRun, {
            id: run.id,
            name: run.name,
            workspace: workspaces.current?.root ?? ''
          });
        }}
      >
        <span className="jp-mlops-Row-main">
          <StatusBadge status={run.status} compact />
          <span className="jp-mlops-Ellipsis">{run.name}</span>
          <span className="jp-mlops-Muted">
            <RelativeTime at={run.created_at} />
          </span>
        </span>
        <span className="jp-mlops-Row-sub">
          {trans.__('%1 of %2 steps', run.steps_done, run.steps_total)}
          {' · '}
          <Duration start={run.started_at} end={run.ended_at} />
        </span>
        {active && (
          <Progress
            value={run.steps_done}
            max={run.steps_total}
            label={trans.__('Steps done')}
          />
        )}
        {run.error && (
          <span className="jp-mlops-Row-error">{run.error.what}</span>
        )}
      </button>
    </li>
  );
}
