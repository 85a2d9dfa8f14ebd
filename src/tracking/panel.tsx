import {
  launchIcon,
  refreshIcon,
  settingsIcon
} from '@jupyterlab/ui-components';
import { useEffect, useId, useState } from 'react';
import { CommandIDs } from '../commands';
import type { IServices } from '../components';
import {
  Button,
  EmptyState,
  ErrorView,
  IconButton,
  useChanged,
  useServices,
  useTrans,
  viewOf
} from '../components';
import type { IView } from '../components/lazy';
import { WorkspaceGate, WorkspaceLine } from '../workspace/gate';
import { Columns } from './columns';
import { RunsModel } from './runs-model';
import { RunsTable } from './runs-table';

/** The runs of the workspace: in the side panel, or wide in the main area. */
export function createRunsView(services: IServices, wide: boolean): IView {
  const model = new RunsModel(services);
  return viewOf(
    services,
    model,
    <div className="jp-mlops-Runs">
      <WorkspaceLine />
      <WorkspaceGate>
        <RunsView model={model} wide={wide} />
      </WorkspaceGate>
    </div>,
    () => services.workspaces.start()
  );
}

/** The tools above the table, the table, and what is below it. */
export function RunsView(props: {
  model: RunsModel;
  wide: boolean;
}): JSX.Element {
  const { model, wide } = props;
  const trans = useTrans();
  useChanged(model);
  const count = model.rows.length;
  return (
    <>
      <Tools model={model} wide={wide} />
      {model.error && (
        <ErrorView
          error={model.error}
          trans={trans}
          onRetry={() => void model.refresh()}
        />
      )}
      {count > 0 ? (
        <RunsTable model={model} wide={wide} />
      ) : (
        model.isLoaded && !model.error && <NoRuns model={model} />
      )}
      <footer className="jp-mlops-Footer" role="status">
        <span>
          {model.isLoading && !model.isLoaded
            ? trans.__('Loading…')
            : model.hasMore
              ? trans.__('The first %1 runs', count)
              : trans._n('%1 run', '%1 runs', count)}
        </span>
        {model.hasMore && (
          <Button
            disabled={model.isLoading}
            onClick={() => void model.loadMore()}
          >
            {trans.__('Load more')}
          </Button>
        )}
      </footer>
    </>
  );
}

/** Code is not translated. */
const EXAMPLE =
  'import jupyter_mlops as mlops\n\nwith mlops.run("first"):\n    ...';

function NoRuns(props: { model: RunsModel }): JSX.Element {
  const { model } = props;
  const trans = useTrans();
  if (model.filter || model.onlyNotebook || model.experiment || model.deleted) {
    return <EmptyState title={trans.__('No run fits this filter.')} />;
  }
  return (
    <EmptyState title={trans.__('No runs yet.')}>
      <p>{trans.__('In a notebook of this workspace:')}</p>
      <pre>{EXAMPLE}</pre>
    </EmptyState>
  );
}

function Tools(props: { model: RunsModel; wide: boolean }): JSX.Element {
  const { model, wide } = props;
  const { commands, workspaces, trans } = useServices();
  const [text, setText] = useState(model.filter);
  const [choosing, setChoosing] = useState(false);
  const hint = useId();
  const { notebook } = workspaces;
  useEffect(() => setText(model.filter), [model.filter]);
  return (
    <div
      className="jp-mlops-Tools"
      role="toolbar"
      aria-label={trans.__('Runs')}
    >
      <form
        role="search"
        onSubmit={event => {
          event.preventDefault();
          model.setFilter(text);
        }}
      >
        <input
          className="jp-mlops-Input"
          type="search"
          value={text}
          spellCheck={false}
          aria-label={trans.__('Filter the runs')}
          aria-describedby={hint}
          aria-invalid={Boolean(model.error && model.filter)}
          placeholder={trans.__('Filter: metrics.auc > 0.7')}
          title={trans.__(
            "MLflow's syntax, e.g. metrics.auc > 0.7 and params.kind = 'forest'. Enter applies it."
          )}
          onChange={event => {
            setText(event.target.value);
            if (!event.target.value) {
              model.setFilter('');
            }
          }}
        />
        <span id={hint} className="jp-mlops-Hidden">
          {trans.__('MLflow filter syntax; Enter applies it.')}
        </span>
        <IconButton
          icon={refreshIcon}
          label={trans.__('Load again')}
          onClick={() => void model.refresh()}
        />
        <IconButton
          icon={settingsIcon}
          label={trans.__('Choose columns')}
          aria-expanded={choosing}
          onClick={() => setChoosing(!choosing)}
        />
        {!wide && (
          <IconButton
            icon={launchIcon}
            label={trans.__('Open the runs as a wide table')}
            onClick={() => {
              void commands.execute(CommandIDs.openRunsTable);
            }}
          />
        )}
      </form>
      <div className="jp-mlops-Tools-row">
        {model.experiments.length > 1 && (
          <select
            className="jp-mlops-Input"
            value={model.experiment}
            aria-label={trans.__('Experiment')}
            onChange={event => model.setExperiment(event.target.value)}
          >
            <option value="">{trans.__('All experiments')}</option>
            {model.experiments.map(experiment => (
              <option key={experiment.id} value={experiment.id}>
                {experiment.run_count < 0
                  ? experiment.name
                  : `${experiment.name} (${experiment.run_count})`}
              </option>
            ))}
          </select>
        )}
        {(notebook || model.onlyNotebook) && (
          <label className="jp-mlops-Check" title={notebook}>
            <input
              type="checkbox"
              checked={model.onlyNotebook}
              onChange={event => model.setOnlyNotebook(event.target.checked)}
            />
            {trans.__('This notebook')}
          </label>
        )}
        {(wide || model.deleted) && (
          <label className="jp-mlops-Check">
            <input
              type="checkbox"
              checked={model.deleted}
              onChange={event => model.setDeleted(event.target.checked)}
            />
            {trans.__('Deleted runs')}
          </label>
        )}
      </div>
      {choosing && <Columns model={model} onClose={() => setChoosing(false)} />}
    </div>
  );
}
