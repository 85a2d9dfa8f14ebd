import { CommandIDs } from '../commands';
import type { IServices } from '../components';
import {
  Button,
  Facts,
  Section,
  ServicesProvider,
  useChanged,
  useServices
} from '../components';
import {
  experimentsIcon,
  modelsIcon,
  pipelinesIcon
} from '../components/icons';
import type { IView } from '../components/lazy';
import { WorkspaceGate } from './gate';

/** The overview of the workspace: what it is, how it stands, where to go. */
export function createHome(services: IServices): IView {
  return {
    element: (
      <ServicesProvider value={services}>
        <Home />
      </ServicesProvider>
    ),
    setActive: active => {
      if (active) {
        services.workspaces.start();
      }
    },
    dispose: () => undefined,
    isDisposed: false
  };
}

function Home(): JSX.Element {
  const { trans } = useServices();
  return (
    <div className="jp-mlops-Home">
      <h1>{trans.__('MLOps workbench')}</h1>
      <WorkspaceGate>
        <Overview />
      </WorkspaceGate>
    </div>
  );
}

function Overview(): JSX.Element | null {
  const { workspaces, commands, trans } = useServices();
  useChanged(workspaces);
  const state = workspaces.current?.state;
  if (!state) {
    return null;
  }
  const { git, worker } = state;
  const branch = git?.branch || git?.commit.slice(0, 7) || '';
  const go = (command: string) => () => {
    void commands.execute(command);
  };
  return (
    <>
      <Section title={state.name}>
        <Facts
          items={[
            [trans.__('Folder'), state.root || '/'],
            [
              trans.__('Git'),
              git?.available
                ? git.dirty
                  ? trans.__('%1, with changes not yet committed', branch)
                  : trans.__('%1, clean', branch)
                : (git?.reason ?? '')
            ],
            [
              trans.__('Worker'),
              worker?.state === 'running'
                ? trans._n(
                    'running, %1 piece of work',
                    'running, %1 pieces of work',
                    worker.active
                  )
                : trans.__('stopped; it starts by itself when there is work')
            ],
            [trans.__('Tracking store'), state.tracking_uri]
          ]}
        />
      </Section>
      <Section title={trans.__('Where to go')}>
        <div className="jp-mlops-Cards">
          <Way
            icon={experimentsIcon}
            title={trans.__('Experiments')}
            text={trans.__(
              'The runs of your notebooks: parameters, metrics, curves, and the exact state behind each.'
            )}
            onClick={go(CommandIDs.openExperiments)}
          />
          <Way
            icon={pipelinesIcon}
            title={trans.__('Pipelines')}
            text={trans.__(
              'Notebooks that run one after another, watched cell by cell.'
            )}
            onClick={go(CommandIDs.openPipelines)}
          />
          <Way
            icon={modelsIcon}
            title={trans.__('Models')}
            text={trans.__(
              'Registered models, their versions, and the endpoints where they answer.'
            )}
            onClick={go(CommandIDs.openModels)}
          />
        </div>
      </Section>
    </>
  );
}

interface IWayProps {
  icon: React.ComponentProps<typeof Button>['icon'];
  title: string;
  text: string;
  onClick(): void;
}

function Way(props: IWayProps): JSX.Element {
  const { icon, title, text, onClick } = props;
  return (
    <div className="jp-mlops-Card">
      <Button {...(icon && { icon })} onClick={onClick}>
        {title}
      </Button>
      <p>{text}</p>
    </div>
  );
}
