import { copyIcon, editIcon, undoIcon } from '@jupyterlab/ui-components';
import { IconButton, useTrans } from '../components';
import { formatBytes } from '../components/format';
import type { HistoryActions } from './actions';
import { compareIcon } from './icons';
import {
  causeLabel,
  changesText,
  formatClock,
  formatDay,
  formatMoment
} from './text';
import type { NotebookVersion, NotebookVersionPage } from './types';

interface IProps {
  page: NotebookVersionPage;
  actions: HistoryActions;
}

/** The versions of a notebook, by days. */
export function VersionList(props: IProps): JSX.Element {
  const { page } = props;
  const trans = useTrans();
  const now = Date.now() / 1000;
  const days: { day: string; versions: NotebookVersion[] }[] = [];
  for (const version of page.items) {
    const day = formatDay(version.created_at, now, trans);
    const last = days[days.length - 1];
    if (last?.day === day) {
      last.versions.push(version);
    } else {
      days.push({ day, versions: [version] });
    }
  }
  return (
    <>
      {days.map(({ day, versions }) => (
        <section key={day} aria-label={day} className="jp-mlops-History-day">
          <h3>{day}</h3>
          <ul className="jp-mlops-List">
            {versions.map(version => (
              <Version key={version.id} version={version} {...props} />
            ))}
          </ul>
        </section>
      ))}
    </>
  );
}

function Version(props: IProps & { version: NotebookVersion }): JSX.Element {
  const { page, version, actions } = props;
  const trans = useTrans();
  const clock = formatClock(version.created_at);
  const isNow = version.id === page.current;
  const changes = changesText(version.changes, trans);
  return (
    <li
      className="jp-mlops-Version"
      aria-label={trans.__('Version of %1', clock)}
      data-current={isNow || undefined}
    >
      <div className="jp-mlops-Version-head">
        <time
          dateTime={new Date(version.created_at * 1000).toISOString()}
          title={formatMoment(version.created_at)}
        >
          {clock}
        </time>
        <span className="jp-mlops-Version-cause">
          {causeLabel(version, trans)}
        </span>
        {isNow && (
          <span
            className="jp-mlops-Tag"
            title={trans.__("The notebook's file is equal to this version")}
          >
            {trans.__('now')}
          </span>
        )}
        <span className="jp-mlops-Version-actions">
          <IconButton
            icon={compareIcon}
            label={trans.__('Compare the version of %1', clock)}
            onClick={() => actions.compare(page.path, version)}
          />
          <IconButton
            icon={undoIcon}
            label={trans.__('Restore the version of %1', clock)}
            disabled={isNow}
            onClick={() => {
              void actions.restore(page.path, version.id, version.created_at);
            }}
          />
          <IconButton
            icon={copyIcon}
            label={trans.__('Open the version of %1 as a copy', clock)}
            onClick={() => void actions.copy(page.path, version.id)}
          />
          <IconButton
            icon={editIcon}
            label={trans.__('Name the version of %1', clock)}
            onClick={() => void actions.name(page.path, version)}
          />
        </span>
      </div>
      {version.name && <p className="jp-mlops-Version-name">{version.name}</p>}
      <p className="jp-mlops-Row-sub">
        {version.cause === 'rename' ? (
          <span>{trans.__('to %1', version.path)}</span>
        ) : (
          changes && <span>{changes}</span>
        )}
        <span>{formatBytes(version.size)}</span>
        {version.run_ids.length > 0 && (
          <span>{trans._n('%1 run', '%1 runs', version.run_ids.length)}</span>
        )}
      </p>
    </li>
  );
}
