import { folderIcon } from '@jupyterlab/ui-components';
import { CommandIDs } from '../commands';
import type { IServices } from '../components';
import {
  Button,
  EmptyState,
  ErrorView,
  Link,
  Loading,
  useChanged,
  useServices,
  viewOf
} from '../components';
import type { IView } from '../components/lazy';

/**
 * Shows its children where the person is in a workspace, and else why not and
 * what to do about it.
 */
export function WorkspaceGate(props: {
  children: React.ReactNode;
}): JSX.Element {
  const { workspaces, commands, trans } = useServices();
  useChanged(workspaces);
  switch (workspaces.status) {
    case 'ready':
      return <>{props.children}</>;
    case 'none':
      return (
        <EmptyState title={trans.__('This folder is not in a workspace.')}>
          <p>
            {trans.__(
              'A workspace is a project folder with an mlops.toml. Its runs, pipelines and models show here.'
            )}
          </p>
          <Button
            primary
            icon={folderIcon}
            onClick={() => {
              void commands.execute(CommandIDs.makeWorkspace, {
                path: workspaces.folder
              });
            }}
          >
            {trans.__('Make this folder a workspace')}
          </Button>
          <p className="jp-mlops-Muted">
            {workspaces.folder
              ? trans.__('Folder: %1', workspaces.folder)
              : trans.__('Folder: the one JupyterLab was started in')}
          </p>
        </EmptyState>
      );
    case 'broken':
    case 'failed':
      return (
        <ErrorView
          error={workspaces.error ?? { what: '', why: '', next: '' }}
          trans={trans}
          onRetry={() => void workspaces.refresh()}
        >
          {workspaces.status === 'broken' && (
            <Button
              onClick={() => {
                void commands.execute(CommandIDs.openHome);
              }}
            >
              {trans.__('Open the overview')}
            </Button>
          )}
        </ErrorView>
      );
    default:
      return <Loading />;
  }
}

/** One line: which workspace, on which branch, and whether its worker runs. */
export function WorkspaceLine(): JSX.Element | null {
  const { workspaces, commands, trans } = useServices();
  useChanged(workspaces);
  const state = workspaces.current?.state;
  if (!state) {
    return null;
  }
  const { git, worker } = state;
  return (
    <p className="jp-mlops-WorkspaceLine">
      <Link
        title={trans.__('Open the overview of the workspace')}
        onClick={() => {
          void commands.execute(CommandIDs.openHome);
        }}
      >
        {state.name}
      </Link>
      {git?.available && (
        <span
          title={
            git.dirty
              ? trans.__('Git branch; there are changes not yet committed')
              : trans.__('Git branch')
          }
        >
          {git.branch || git.commit.slice(0, 7)}
          {git.dirty ? ' *' : ''}
        </span>
      )}
      {worker?.state === 'running' && <span>{trans.__('worker running')}</span>}
    </p>
  );
}

/** The view of a panel: its body shows in a workspace, which is looked for when the panel is seen. */
export function workspaceViewOf(
  services: IServices,
  model: Parameters<typeof viewOf>[1],
  body: JSX.Element
): IView {
  return viewOf(
    services,
    model,
    <>
      <WorkspaceLine />
      <WorkspaceGate>{body}</WorkspaceGate>
    </>,
    () => services.workspaces.start()
  );
}
