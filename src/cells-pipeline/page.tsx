import { refreshIcon } from '@jupyterlab/ui-components';
import { useState } from 'react';
import { CommandIDs } from '../commands';
import type { IServices } from '../components';
import {
  Button,
  ErrorView,
  Link,
  Section,
  useChanged,
  useServices,
  useTrans,
  viewOf
} from '../components';
import type { IView } from '../components/lazy';
import type { IWorkspace } from '../workspace/tokens';
import { CellsPipelineModel } from './model';
import { StepCard } from './step-card';
import type { CellsPipeline } from './types';

/** The page on which a pipeline is made from a notebook's cells. */
export function createCellsPipelinePage(
  services: IServices,
  workspace: IWorkspace,
  notebook: string
): IView {
  const model = new CellsPipelineModel(workspace, notebook);
  void model.propose();
  return viewOf(services, model, <CellsPipelinePage model={model} />);
}

export function CellsPipelinePage(props: {
  model: CellsPipelineModel;
}): JSX.Element {
  const { model } = props;
  const trans = useTrans();
  useChanged(model);
  const { proposal, error } = model;
  return (
    <article
      className="jp-mlops-CellsPipeline"
      aria-label={trans.__('Pipeline from the cells of %1', model.notebook)}
      aria-busy={model.busy}
    >
      <header className="jp-mlops-PageHead">
        <div>
          <h1>{trans.__('Pipeline from cells')}</h1>
          <p>
            <span>{model.notebook}</span>
            <span role="status">
              {model.busy
                ? trans.__('Looking at the cells…')
                : (proposal?.how ?? '')}
            </span>
          </p>
        </div>
        <Button
          icon={refreshIcon}
          title={trans.__(
            'Propose the steps again, from the notebook as saved'
          )}
          onClick={() => void model.propose()}
        >
          {trans.__('Propose again')}
        </Button>
      </header>
      {error && <ErrorView error={error} trans={trans} />}
      {proposal && <Proposal model={model} proposal={proposal} />}
    </article>
  );
}

function Proposal(props: {
  model: CellsPipelineModel;
  proposal: CellsPipeline;
}): JSX.Element {
  const { model, proposal } = props;
  const trans = useTrans();
  return (
    <>
      {proposal.notes.length > 0 && (
        <Section title={trans.__('Good to know')}>
          <ul className="jp-mlops-CellsPipeline-notes">
            {proposal.notes.map(note => (
              <li key={note}>{note}</li>
            ))}
          </ul>
        </Section>
      )}
      <Section title={trans.__('Steps')}>
        <ol className="jp-mlops-CellsPipeline-steps">
          {proposal.steps.map((step, index) => (
            <StepCard
              key={step.name}
              model={model}
              step={step}
              index={index}
              last={index === proposal.steps.length - 1}
            />
          ))}
        </ol>
      </Section>
      {proposal.skipped.length > 0 && (
        <p className="jp-mlops-Muted">
          {trans.__('Left out: cells %1', proposal.skipped.join(', '))}
        </p>
      )}
      <Write model={model} proposal={proposal} />
    </>
  );
}

function Write(props: {
  model: CellsPipelineModel;
  proposal: CellsPipeline;
}): JSX.Element {
  const { model, proposal } = props;
  const trans = useTrans();
  const [folder, setFolder] = useState(
    proposal.path.slice(0, proposal.path.lastIndexOf('/'))
  );
  const [overwrite, setOverwrite] = useState(false);
  const exists = model.error?.code === 'conflict' || proposal.exists.length > 0;
  return (
    <Section title={trans.__('Write')}>
      {proposal.written.length > 0 ? (
        <Written model={model} proposal={proposal} />
      ) : (
        <form
          className="jp-mlops-CellsPipeline-write"
          onSubmit={event => {
            event.preventDefault();
            model.folder = folder.trim();
            void model.write(overwrite);
          }}
        >
          <label>
            {trans.__('Folder')}
            <input
              className="jp-mlops-Input"
              value={folder}
              onChange={event => setFolder(event.target.value)}
            />
          </label>
          {exists && (
            <label className="jp-mlops-CellsPipeline-check">
              <input
                type="checkbox"
                checked={overwrite}
                onChange={event => setOverwrite(event.target.checked)}
              />
              {trans.__('Replace the files that are there')}
            </label>
          )}
          <Button type="submit" primary disabled={model.busy}>
            {trans.__('Write Pipeline')}
          </Button>
        </form>
      )}
    </Section>
  );
}

function Written(props: {
  model: CellsPipelineModel;
  proposal: CellsPipeline;
}): JSX.Element {
  const { model, proposal } = props;
  const trans = useTrans();
  const { commands } = useServices();
  const open = (path: string) => {
    const inLab = model.workspace.toLab(path);
    if (inLab !== null) {
      void commands.execute('docmanager:open', { path: inLab });
    }
  };
  return (
    <>
      <ul className="jp-mlops-CellsPipeline-files" role="status">
        {proposal.written.map(path => (
          <li key={path}>
            <Link onClick={() => open(path)}>{path}</Link>
          </li>
        ))}
      </ul>
      <Button
        primary
        onClick={() =>
          void commands.execute(CommandIDs.runPipeline, {
            path: proposal.path
          })
        }
      >
        {trans.__('Run Pipeline…')}
      </Button>
    </>
  );
}
