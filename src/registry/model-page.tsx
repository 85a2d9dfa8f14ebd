import { InputDialog } from '@jupyterlab/apputils';
import { addIcon, closeIcon } from '@jupyterlab/ui-components';
import { CommandIDs } from '../commands';
import type { IServices } from '../components';
import {
  Button,
  EmptyState,
  Facts,
  IconButton,
  Link,
  QueryState,
  RelativeTime,
  Section,
  useChanged,
  useServices,
  useTrans,
  viewOf
} from '../components';
import { formatMetric } from '../components/format';
import { endpointIcon } from '../components/icons';
import type { IView } from '../components/lazy';
import { attempt, confirm } from '../components/notify';
import { MadeIn } from '../provenance/made-in';
import type { IWorkspace } from '../workspace/tokens';
import { ModelModel } from './model-model';
import type { ModelVersion, TensorSpec } from './types';

/** The page of one registered model. */
export function createModelPage(
  services: IServices,
  workspace: IWorkspace,
  name: string
): IView {
  const model = new ModelModel(services, workspace, name);
  return viewOf(services, model, <ModelPage model={model} />);
}

export function ModelPage(props: { model: ModelModel }): JSX.Element {
  const { model } = props;
  const trans = useTrans();
  useChanged(model);
  const { data } = model.query;
  if (!data) {
    return <QueryState query={model.query} />;
  }
  return (
    <article aria-label={trans.__('Model %1', data.name)}>
      <header className="jp-mlops-PageHead">
        <div>
          <h1>{data.name}</h1>
          {data.description && <p>{data.description}</p>}
          <p className="jp-mlops-Muted">
            <span>
              {trans._n('%1 version', '%1 versions', data.versions)}
              {' · '}
              <RelativeTime at={data.updated_at} />
            </span>
          </p>
        </div>
      </header>
      {data.items.length ? (
        <Section title={trans.__('Versions')}>
          {data.items.map(version => (
            <Version key={version.version} model={model} version={version} />
          ))}
        </Section>
      ) : (
        <EmptyState title={trans.__('This model has no version.')} />
      )}
    </article>
  );
}

interface IVersionProps {
  model: ModelModel;
  version: ModelVersion;
}

function Version(props: IVersionProps): JSX.Element {
  const { model, version } = props;
  const { commands, trans } = useServices();
  const workspace = model.workspace.root;
  const go = (command: string, args: Record<string, string>) => () => {
    void commands.execute(command, { ...args, workspace });
  };
  return (
    <section
      className="jp-mlops-Card"
      aria-label={trans.__('Version %1', version.version)}
    >
      <div className="jp-mlops-Card-head">
        <h3>{trans.__('Version %1', version.version)}</h3>
        <AliasTags {...props} />
        <Button
          icon={endpointIcon}
          onClick={go(CommandIDs.deployModel, {
            model: `${version.name}/${version.version}`
          })}
        >
          {trans.__('Deploy…')}
        </Button>
      </div>
      {version.description && <p>{version.description}</p>}
      <Facts
        items={[
          [
            trans.__('Registered'),
            <RelativeTime key="at" at={version.created_at} />
          ],
          [
            trans.__('Answers at'),
            version.endpoints.length > 0 && (
              <>
                {version.endpoints.map(name => (
                  <Link
                    key={name}
                    onClick={go(CommandIDs.openEndpoint, { name })}
                  >
                    {name}
                  </Link>
                ))}
              </>
            )
          ],
          [
            trans.__('Run'),
            version.run_id && (
              <Link onClick={go(CommandIDs.openRun, { id: version.run_id })}>
                {version.run_id.slice(0, 12)}
              </Link>
            )
          ],
          [
            trans.__('Notebook'),
            version.notebook && (
              <Link
                onClick={go(CommandIDs.openPath, { path: version.notebook })}
              >
                {version.notebook}
              </Link>
            )
          ],
          [
            trans.__('Made in'),
            <MadeIn
              key="cells"
              workspace={model.workspace}
              kind="model_version"
              thing={`${version.name}/${version.version}`}
            />
          ],
          [
            trans.__('Snapshot'),
            version.snapshot && <code>{version.snapshot.slice(0, 12)}</code>
          ],
          [trans.__('Metrics'), <Metrics key="metrics" version={version} />],
          [trans.__('Flavors'), version.flavors.join(', ')],
          [trans.__('Inputs'), signature(version.inputs)],
          [trans.__('Outputs'), signature(version.outputs)]
        ]}
      />
    </section>
  );
}

/** The aliases of a version; the person can add and remove them. */
function AliasTags(props: IVersionProps): JSX.Element {
  const { model, version } = props;
  const trans = useTrans();
  const add = async () => {
    const answer = await InputDialog.getText({
      title: trans.__('Point an alias to version %1', version.version),
      label: trans.__('Alias; where it exists, it moves here'),
      placeholder: trans.__('champion'),
      okLabel: trans.__('Set alias')
    });
    const alias = answer.value?.trim();
    if (answer.button.accept && alias) {
      await attempt(trans, () => model.setAlias(alias, version.version));
    }
  };
  const remove = async (alias: string) => {
    const sure = await confirm(
      trans,
      trans.__('Remove the alias @%1?', alias),
      trans.__('Endpoints keep the version they have.'),
      trans.__('Remove')
    );
    if (sure) {
      await attempt(trans, () => model.deleteAlias(alias));
    }
  };
  return (
    <span className="jp-mlops-Tags">
      {version.aliases.map(alias => (
        <span key={alias} className="jp-mlops-Tag">
          @{alias}
          <IconButton
            icon={closeIcon}
            label={trans.__('Remove the alias @%1', alias)}
            onClick={() => void remove(alias)}
          />
        </span>
      ))}
      <IconButton
        icon={addIcon}
        label={trans.__('Set an alias of version %1', version.version)}
        onClick={() => void add()}
      />
    </span>
  );
}

function Metrics(props: { version: ModelVersion }): JSX.Element {
  return (
    <span className="jp-mlops-Tags">
      {Object.entries(props.version.metrics)
        .sort(([a], [b]) => a.localeCompare(b))
        .slice(0, 12)
        .map(([key, value]) => (
          <span key={key}>
            {key} <strong>{formatMetric(value)}</strong>
          </span>
        ))}
    </span>
  );
}

/** A signature in one line: `name: type`, the first ones. */
function signature(specs: readonly TensorSpec[]): string {
  const shown = specs
    .slice(0, 12)
    .map(spec => (spec.name ? `${spec.name}: ${spec.datatype}` : spec.datatype))
    .join(', ');
  return specs.length > 12 ? `${shown}, … (${specs.length})` : shown;
}
