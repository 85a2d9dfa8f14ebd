import type { LabIcon } from '@jupyterlab/ui-components';
import { copyIcon } from '@jupyterlab/ui-components';
import { useState } from 'react';
import { useTrans } from './services';

interface IEmptyProps {
  title: string;
  children?: React.ReactNode;
}

/** Nothing is there yet: says what would be, and how to get it. */
export function EmptyState(props: IEmptyProps): JSX.Element {
  return (
    <div className="jp-mlops-Empty">
      <p className="jp-mlops-Empty-title">{props.title}</p>
      {props.children}
    </div>
  );
}

interface IButtonProps extends React.ButtonHTMLAttributes<HTMLButtonElement> {
  icon?: LabIcon;
  primary?: boolean;
}

/** A button with words. */
export function Button(props: IButtonProps): JSX.Element {
  const { icon: Icon, primary, children, ...rest } = props;
  return (
    <button
      type="button"
      {...rest}
      className={`jp-mlops-Button${primary ? ' jp-mod-primary' : ''}`}
    >
      {Icon && <Icon.react tag="span" className="jp-mlops-Icon" />}
      {children}
    </button>
  );
}

interface IIconButtonProps extends React.ButtonHTMLAttributes<HTMLButtonElement> {
  icon: LabIcon;
  label: string;
}

/** A button with an icon alone; its label is read out and shown on hover. */
export function IconButton(props: IIconButtonProps): JSX.Element {
  const { icon: Icon, label, ...rest } = props;
  return (
    <button
      type="button"
      aria-label={label}
      title={label}
      {...rest}
      className="jp-mlops-IconButton"
    >
      <Icon.react tag="span" className="jp-mlops-Icon" />
    </button>
  );
}

/** A button that looks like a link: goes to another page of ours. */
export function Link(
  props: React.ButtonHTMLAttributes<HTMLButtonElement>
): JSX.Element {
  return <button type="button" {...props} className="jp-mlops-Link" />;
}

/** Copies a text to the clipboard and says so. */
export function CopyButton(props: {
  text: string;
  label: string;
}): JSX.Element {
  const trans = useTrans();
  const [done, setDone] = useState(false);
  return (
    <Button
      icon={copyIcon}
      aria-live="polite"
      onClick={() => {
        void navigator.clipboard.writeText(props.text).then(() => {
          setDone(true);
          setTimeout(() => setDone(false), 2000);
        });
      }}
    >
      {done ? trans.__('Copied') : props.label}
    </Button>
  );
}

interface IProgressProps {
  value: number;
  max: number;
  label: string;
}

/** How far something has come, as a bar. */
export function Progress(props: IProgressProps): JSX.Element {
  const { value, max, label } = props;
  return (
    <div
      className="jp-mlops-Progress"
      role="progressbar"
      aria-label={label}
      aria-valuemin={0}
      aria-valuemax={max}
      aria-valuenow={value}
    >
      <div style={{ width: `${max > 0 ? (100 * value) / max : 0}%` }} />
    </div>
  );
}

/** Names and values, side by side. */
export function Facts(props: {
  items: [string, React.ReactNode][];
}): JSX.Element {
  return (
    <dl className="jp-mlops-Facts">
      {props.items
        .filter(
          ([, value]) => !['', null, undefined, false].includes(value as never)
        )
        .map(([name, value]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>{value}</dd>
          </div>
        ))}
    </dl>
  );
}

/** A heading and what belongs under it. */
export function Section(props: {
  title: string;
  aside?: React.ReactNode;
  children: React.ReactNode;
}): JSX.Element {
  return (
    <section className="jp-mlops-Section" aria-label={props.title}>
      <header>
        <h2>{props.title}</h2>
        {props.aside}
      </header>
      {props.children}
    </section>
  );
}
