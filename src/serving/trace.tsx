import type { TranslationBundle } from '@jupyterlab/translation';
import { useEffect, useState } from 'react';
import type { MlopsError } from '../api';
import { asMlopsError } from '../api';
import { CommandIDs } from '../commands';
import { ErrorView, Link, Loading, useServices } from '../components';
import type { EndpointModel } from './endpoint-model';
import type { Trace, TraceNode } from './types';

interface IProps {
  model: EndpointModel;
  requestId: string;
}

/** What led to a prediction, nearest first, up to the notebook and the snapshot. */
export function TraceList(props: IProps): JSX.Element {
  const { model, requestId } = props;
  const { trans } = useServices();
  const [trace, setTrace] = useState<Trace | null>(null);
  const [error, setError] = useState<MlopsError | null>(null);
  const [round, setRound] = useState(0);
  useEffect(() => {
    let gone = false;
    setError(null);
    model.trace(requestId).then(
      found => !gone && setTrace(found),
      (reason: unknown) => !gone && setError(asMlopsError(reason))
    );
    return () => {
      gone = true;
    };
  }, [model, requestId, round]);
  if (error) {
    return (
      <ErrorView
        error={error}
        trans={trans}
        onRetry={() => setRound(round + 1)}
      />
    );
  }
  if (!trace) {
    return <Loading />;
  }
  const others = trace.nodes.filter(
    node => node.kind !== trace.start.kind || node.key !== trace.start.key
  );
  return (
    <ol className="jp-mlops-Trace" aria-label={trans.__('What led to this')}>
      {[trace.start, ...others].map(node => (
        <li key={`${node.kind} ${node.key}`} data-kind={node.kind}>
          <span className="jp-mlops-Tag">{kindLabel(node.kind, trans)}</span>
          <NodeLink node={node} workspace={model.workspace.root} />
        </li>
      ))}
      {trace.truncated && (
        <li className="jp-mlops-Muted">{trans.__('… and more')}</li>
      )}
    </ol>
  );
}

function NodeLink(props: { node: TraceNode; workspace: string }): JSX.Element {
  const { node, workspace } = props;
  const { commands } = useServices();
  const target = targetOf(node);
  const label = node.label || node.key;
  if (!target) {
    return node.kind === 'snapshot' ? (
      <code>{label}</code>
    ) : (
      <span>{label}</span>
    );
  }
  return (
    <Link
      onClick={() => {
        void commands.execute(target.command, { ...target.args, workspace });
      }}
    >
      {label}
    </Link>
  );
}

/** The page of a node; null: it has none. */
function targetOf(
  node: TraceNode
): { command: string; args: Record<string, string> } | null {
  const { kind, key } = node;
  switch (kind) {
    case 'notebook':
      return { command: CommandIDs.openPath, args: { path: key } };
    case 'cell_execution': {
      const path = node.data['notebook'];
      return typeof path === 'string' && path
        ? { command: CommandIDs.openPath, args: { path } }
        : null;
    }
    case 'run':
      return { command: CommandIDs.openRun, args: { id: key } };
    case 'pipeline_run':
      return { command: CommandIDs.openPipelineRun, args: { id: key } };
    case 'step':
      return {
        command: CommandIDs.openPipelineRun,
        args: { id: key.slice(0, key.indexOf('/')) }
      };
    case 'model_version':
      return {
        command: CommandIDs.openModel,
        args: { name: key.slice(0, key.lastIndexOf('/')) }
      };
    case 'endpoint':
      return { command: CommandIDs.openEndpoint, args: { name: key } };
    default:
      return null;
  }
}

function kindLabel(kind: TraceNode['kind'], trans: TranslationBundle): string {
  switch (kind) {
    case 'notebook':
      return trans.__('Notebook');
    case 'snapshot':
      return trans.__('Snapshot');
    case 'cell_execution':
      return trans.__('Cell execution');
    case 'run':
      return trans.__('Run');
    case 'pipeline_run':
      return trans.__('Pipeline run');
    case 'step':
      return trans.__('Step');
    case 'artifact':
      return trans.__('Artifact');
    case 'dataset':
      return trans.__('Dataset');
    case 'model_version':
      return trans.__('Model version');
    case 'deployment':
      return trans.__('Deployment');
    case 'endpoint':
      return trans.__('Endpoint');
    case 'prediction':
      return trans.__('Prediction');
  }
}
