import {
  Button,
  CopyButton,
  ErrorView,
  Facts,
  useChanged,
  useTrans
} from '../components';
import { attempt } from '../components/notify';
import type { ReproductionModel } from './reproduction-model';
import { isGoing } from './reproduction-model';
import type { RebuiltEnvironment } from './types';
import { Going, Lines, Verdict, WorkSection } from './work';

/** How the making of the run's environment stands, or how it ended; nothing before it was asked for. */
export function EnvironmentSection(props: {
  model: ReproductionModel;
}): JSX.Element {
  const { model } = props;
  const trans = useTrans();
  useChanged(model);
  const again = (name: string) => () =>
    void attempt(trans, () => model.makeEnvironment(name, true));
  return (
    <WorkSection
      title={trans.__('Environment')}
      query={model.rebuild}
      verdict={({ status }) => (
        <Verdict
          status={status}
          good={['equal', trans.__('Environment equal: made again as it was')]}
          bad={[
            'different',
            trans.__('Environment different: not all is as it was')
          ]}
        />
      )}
      subject={({ folder }) => <code>{folder}</code>}
    >
      {data => (
        <>
          {isGoing(data) && (
            <Going
              done={data.packages_done}
              total={data.packages_total}
              label={trans.__('Packages that are installed')}
              said={trans.__(
                '%1 of %2 packages',
                data.packages_done,
                data.packages_total
              )}
              cancel={() => model.cancelEnvironment()}
            />
          )}
          {isGoing(data) && data.doing && (
            <p className="jp-mlops-Muted jp-mlops-Verification-lines">
              {data.doing}
            </p>
          )}
          {data.status === 'failed' && data.error && (
            <ErrorView
              error={data.error}
              trans={trans}
              onRetry={again(data.name)}
            />
          )}
          {data.result && <Result rebuilt={data.result} />}
          {(data.status === 'different' || data.status === 'cancelled') && (
            <div className="jp-mlops-Actions">
              <Button onClick={again(data.name)}>
                {trans.__('Make it anew')}
              </Button>
            </div>
          )}
        </>
      )}
    </WorkSection>
  );
}

/** What was made, what of it is not as it was, and how it is used. */
function Result({ rebuilt }: { rebuilt: RebuiltEnvironment }): JSX.Element {
  const trans = useTrans();
  const { folder, kernel, programs, unavailable, packages, notes } = rebuilt;
  const named = new Set(unavailable.map(each => each.name));
  const none = trans.__('not installed');
  const lines = [
    ...unavailable.map(each =>
      trans.__(
        '%1 %2 could not be installed: %3',
        each.name,
        each.version,
        each.why
      )
    ),
    ...packages
      .filter(each => !named.has(each.name))
      .map(each =>
        trans.__(
          '%1: %2 then, %3 now',
          each.name,
          each.then || none,
          each.now || none
        )
      ),
    ...notes
  ];
  const command = kernel
    ? `JUPYTER_PATH=${quoted(`${folder}/share/jupyter`)} jupyter lab`
    : programs.includes('jupyter-lab')
      ? `${quoted(`${folder}/bin/jupyter`)} lab`
      : '';
  return (
    <>
      <Lines lines={lines} />
      <Facts
        items={[
          [
            trans.__('Installed'),
            trans._n(
              '%1 package by %2',
              '%1 packages by %2',
              rebuilt.installed,
              rebuilt.installer
            )
          ],
          [trans.__('Kernel'), kernel && <code>{kernel}</code>],
          [
            kernel
              ? trans.__('JupyterLab that offers it')
              : trans.__('JupyterLab in it'),
            command && (
              <>
                <code>{command}</code>{' '}
                <CopyButton text={command} label={trans.__('Copy')} />
              </>
            )
          ]
        ]}
      />
    </>
  );
}

/** A path as a shell takes it. */
function quoted(path: string): string {
  return /^[\w./-]+$/.test(path) ? path : `'${path.replace(/'/g, "'\\''")}'`;
}
