import { Notification } from '@jupyterlab/apputils';
import { checkIcon, deleteIcon, undoIcon } from '@jupyterlab/ui-components';
import { useState } from 'react';
import { CommandIDs } from '../commands';
import type { IServices } from '../components';
import {
  Button,
  Duration,
  EmptyState,
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
import { formatMetric } from '../components/format';
import type { IView } from '../components/lazy';
import { attempt } from '../components/notify';
import { restoreRun, verifyRun } from '../provenance/dialogs';
import { EnvironmentSection } from '../provenance/environment';
import { MadeIn } from '../provenance/made-in';
import { isGoing } from '../provenance/reproduction-model';
import { VerificationSection } from '../provenance/verification';
import type { IWorkspace } from '../workspace/tokens';
import { Artifacts } from './artifacts';
import { Curves } from './curves';
import { RunModel } from './run-model';
import type { RunDetail } from './types';

/** The page of one run. */
export function createRunPage(
  services: IServices,
  workspace: IWorkspace,
  id: string
): IView {
  const model = new RunModel(services, workspace, id);
  return viewOf(services, model, <RunPage model={model} />);
}

export function RunPage(props: { model: RunModel }): JSX.Element {
  const { model } = props;
  const trans = useTrans();
  useChanged(model);
  const { run } = model;
  if (!run) {
    return <QueryState query={model.query} />;
  }
  return (
    <article aria-label={trans.__('Run %1', run.name)}>
      <Head model={model} run={run} />
      {run.deleted && <Deleted model={model} />}
      {run.error && (
        <ErrorView
          error={{ what: run.error, why: '', next: '' }}
          trans={trans}
        />
      )}
      <Origin model={model} run={run} />
      <EnvironmentSection model={model.reproduction} />
      <VerificationSection model={model.reproduction} notebook={run.notebook} />
      <Metrics run={run} root={model.workspace.root} />
      <Curves model={model} keys={Object.keys(run.metrics)} />
      <Values title={trans.__('Parameters')} values={run.params} />
      <Artifacts model={model} items={run.artifacts} />
    </article>
  );
}

function Head(props: { model: RunModel; run: RunDetail }): JSX.Element {
  const { model, run } = props;
  const { reproduction } = model;
  const services = useServices();
  const { trans } = services;
  useChanged(reproduction);
  const remove = async () => {
    const done = await attempt(trans, async () => {
      await model.delete();
      return true;
    });
    if (!done) {
      return;
    }
    Notification.info(trans.__('Run "%1" was deleted.', run.name), {
      autoClose: 10_000,
      actions: [
        {
          label: trans.__('Undo'),
          callback: () => {
            void attempt(trans, () => model.restore());
          }
        }
      ]
    });
  };
  return (
    <header className="jp-mlops-PageHead">
      <div>
        <h1>{run.name}</h1>
        <p aria-live="polite">
          <StatusBadge status={run.status} />
          <span>
            {run.experiment} · <RelativeTime at={run.started_at} /> ·{' '}
            <Duration start={run.started_at} end={run.ended_at} />
          </span>
        </p>
      </div>
      {!run.deleted && (
        <>
          <Button
            icon={undoIcon}
            disabled={!run.snapshot}
            title={
              run.snapshot
                ? trans.__('Bring the state of the run back, beside your work')
                : trans.__('This run has no snapshot to restore.')
            }
            onClick={() => void restoreRun(services, reproduction, run.name)}
          >
            {trans.__('Restore…')}
          </Button>
          <Button
            icon={checkIcon}
            disabled={!run.snapshot || isGoing(reproduction.query.data)}
            title={
              run.snapshot
                ? trans.__('Run its cells again and compare')
                : trans.__('This run has no snapshot to verify.')
            }
            onClick={() => void verifyRun(services, reproduction, run.name)}
          >
            {trans.__('Verify…')}
          </Button>
          <Button icon={deleteIcon} onClick={() => void remove()}>
            {trans.__('Delete')}
          </Button>
        </>
      )}
    </header>
  );
}

/** Says that the run is in the trash, and takes it out again. */
function Deleted(props: { model: RunModel }): JSX.Element {
  const { model } = props;
  const trans = useTrans();
  return (
    <EmptyState title={trans.__('This run was deleted.')}>
      <Button
        primary
        onClick={() => void attempt(trans, () => model.restore())}
      >
        {trans.__('Restore it')}
      </Button>
    </EmptyState>
  );
}

/** Where the run comes from and what came of it. */
function Origin(props: { model: RunModel; run: RunDetail }): JSX.Element {
  const { model, run } = props;
  const { commands, trans } = useServices();
  const workspace = model.workspace.root;
  const go = (command: string, args: Record<string, string>) => () => {
    void commands.execute(command, { ...args, workspace });
  };
  const openAsItWas = () =>
    attempt(trans, async () => {
      const { path, copied, as_executed: asExecuted } = await model.notebook();
      await commands.execute(CommandIDs.openPath, { path, workspace });
      if (asExecuted === false) {
        Notification.warning(
          trans.__(
            'The notebook was not saved as it ran. "Restore…" has its cells as they were executed.'
          ),
          { autoClose: 10_000 }
        );
      } else if (!copied) {
        Notification.info(trans.__('The notebook is as it was then.'), {
          autoClose: 5000
        });
      }
    });
  return (
    <Section title={trans.__('Origin')}>
      <Facts
        items={[
          [
            trans.__('Notebook'),
            run.notebook && (
              <>
                <Link onClick={go(CommandIDs.openPath, { path: run.notebook })}>
                  {run.notebook}
                </Link>
                <Link
                  title={trans.__(
                    'Open the notebook byte for byte as it was when the run started'
                  )}
                  onClick={() => void openAsItWas()}
                >
                  {trans.__('as it was')}
                </Link>
              </>
            )
          ],
          [
            trans.__('Made in'),
            <MadeIn
              key="cells"
              workspace={model.workspace}
              kind="run"
              thing={run.id}
              state={run.status}
            />
          ],
          [
            trans.__('Pipeline run'),
            run.pipeline_run_id && (
              <Link
                onClick={go(CommandIDs.openPipelineRun, {
                  id: run.pipeline_run_id
                })}
              >
                {run.step
                  ? trans.__(
                      '%1, step %2',
                      run.pipeline_run_id.slice(0, 12),
                      run.step
                    )
                  : run.pipeline_run_id.slice(0, 12)}
              </Link>
            )
          ],
          [
            trans.__('Models'),
            run.models.length > 0 && (
              <>
                {run.models.map(model => (
                  <Link
                    key={model}
                    onClick={go(CommandIDs.openModel, {
                      name: model.slice(0, model.lastIndexOf('/'))
                    })}
                  >
                    {model}
                  </Link>
                ))}
              </>
            )
          ],
          [trans.__('Snapshot'), run.snapshot && <code>{run.snapshot}</code>],
          [
            trans.__('Commit'),
            run.commit && (
              <>
                <code>{run.commit.slice(0, 12)}</code>
                {run.dirty && ` ${trans.__('(with changes not committed)')}`}
              </>
            )
          ],
          [trans.__('User'), run.user],
          [trans.__('Run id'), <code key="id">{run.id}</code>]
        ]}
      />
    </Section>
  );
}

function Metrics(props: { run: RunDetail; root: string }): JSX.Element | null {
  const { run, root } = props;
  const { commands, trans } = useServices();
  const values = Object.fromEntries(
    Object.entries(run.metrics).map(([key, value]) => [
      key,
      formatMetric(value)
    ])
  );
  const slice = (key: string) => (
    <Link
      title={trans.__(
        'Highlight the cells that made %1 in %2',
        key,
        run.notebook
      )}
      onClick={() => {
        void commands.execute(CommandIDs.showSlice, {
          name: `metric:${run.id}/${key}`,
          path: run.notebook,
          workspace: root
        });
      }}
    >
      {trans.__('slice')}
    </Link>
  );
  return (
    <Values
      title={trans.__('Metrics')}
      values={values}
      action={run.notebook ? slice : undefined}
    />
  );
}

/** Above this many, a filter box. */
const FILTER_ABOVE = 15;

function Values(props: {
  title: string;
  values: Readonly<Record<string, string>>;
  /** What can be done with one of them. */
  action?: (key: string) => JSX.Element;
}): JSX.Element | null {
  const { title, values, action } = props;
  const trans = useTrans();
  const [filter, setFilter] = useState('');
  const keys = Object.keys(values).sort();
  if (!keys.length) {
    return null;
  }
  const shown = keys
    .filter(key => key.toLowerCase().includes(filter.toLowerCase()))
    .slice(0, 500);
  return (
    <Section
      title={title}
      aside={
        keys.length > FILTER_ABOVE && (
          <input
            className="jp-mlops-Input"
            type="search"
            value={filter}
            aria-label={trans.__('Filter by name')}
            placeholder={trans.__('Filter by name')}
            onChange={event => setFilter(event.target.value)}
          />
        )
      }
    >
      <table className="jp-mlops-Values" aria-label={title}>
        <tbody>
          {shown.map(key => (
            <tr key={key}>
              <th scope="row">{key}</th>
              <td>{values[key]}</td>
              {action && <td>{action(key)}</td>}
            </tr>
          ))}
        </tbody>
      </table>
    </Section>
  );
}
