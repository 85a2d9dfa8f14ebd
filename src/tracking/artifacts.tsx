import { fileIcon, folderIcon } from '@jupyterlab/ui-components';
import { useState } from 'react';
import { Link, Section, useTrans } from '../components';
import { formatBytes } from '../components/format';
import { attempt } from '../components/notify';
import type { RunModel } from './run-model';
import type { Artifact } from './types';

interface IProps {
  model: RunModel;
  items: readonly Artifact[];
}

/** The files of a run, folder by folder. */
export function Artifacts(props: IProps): JSX.Element | null {
  const trans = useTrans();
  if (!props.items.length) {
    return null;
  }
  return (
    <Section title={trans.__('Artifacts')}>
      <Folder {...props} />
    </Section>
  );
}

function Folder(props: IProps): JSX.Element {
  return (
    <ul className="jp-mlops-Files">
      {props.items.map(item => (
        <li key={item.path}>
          {item.is_dir ? (
            <SubFolder model={props.model} item={item} />
          ) : (
            <span>
              <fileIcon.react tag="span" className="jp-mlops-Icon" />
              {nameOf(item)}
              {item.size !== null && (
                <span className="jp-mlops-Muted">
                  {' '}
                  {formatBytes(item.size)}
                </span>
              )}
            </span>
          )}
        </li>
      ))}
    </ul>
  );
}

function SubFolder(props: { model: RunModel; item: Artifact }): JSX.Element {
  const { model, item } = props;
  const trans = useTrans();
  const [items, setItems] = useState<Artifact[] | null>(null);
  const toggle = async () => {
    if (items) {
      setItems(null);
      return;
    }
    const list = await attempt(trans, () => model.artifacts(item.path));
    if (list) {
      setItems(list);
    }
  };
  return (
    <>
      <Link aria-expanded={items !== null} onClick={() => void toggle()}>
        <folderIcon.react tag="span" className="jp-mlops-Icon" />
        {nameOf(item)}
      </Link>
      {items && <Folder model={model} items={items} />}
    </>
  );
}

function nameOf(item: Artifact): string {
  return item.path.slice(item.path.lastIndexOf('/') + 1);
}
