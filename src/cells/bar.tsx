import {
  caretDownIcon,
  caretUpIcon,
  closeIcon,
  ReactWidget,
  stopIcon
} from '@jupyterlab/ui-components';
import type { Message } from '@lumino/messaging';
import type { IServices } from '../components';
import {
  Button,
  IconButton,
  ServicesProvider,
  useChanged,
  useTrans
} from '../components';
import type { Runner } from './runner';
import type { SliceModel } from './slice-model';
import type { LiveSlice } from './types';

/** Characters of an id that tell it from others. */
const SHORT = 8;

export interface IBarOptions {
  readonly services: IServices;
  readonly runner: Runner;
  readonly slice: SliceModel;
  onCancel(): void;
  onCopy(): void;
  onTest(): void;
  onClose(): void;
}

/** Above a notebook while cells of it are run, or a slice of it is highlighted. */
export class Bar extends ReactWidget {
  constructor(private readonly options: IBarOptions) {
    super();
    this.addClass('jp-mlops-Bar');
    const { runner, slice, onClose } = options;
    runner.changed.connect(this.onChanged, this);
    slice.changed.connect(this.onChanged, this);
    this.node.addEventListener('keydown', event => {
      if (event.key === 'Escape' && slice.slice) {
        event.stopPropagation();
        onClose();
      }
    });
    this.hide();
  }

  override dispose(): void {
    this._size?.disconnect();
    super.dispose();
  }

  protected override onAfterAttach(msg: Message): void {
    super.onAfterAttach(msg);
    // A box panel wants to know how high its children are; this one wraps where it is narrow.
    this._size = new ResizeObserver(() => this.measure());
    this._size.observe(this.node);
  }

  protected override render(): JSX.Element {
    const { options } = this;
    return (
      <ServicesProvider value={options.services}>
        <div
          className="jp-mlops-Bar-body"
          ref={body => {
            this._body = body;
            this.measure();
          }}
        >
          <RunPart {...options} />
          <SlicePart {...options} />
        </div>
      </ServicesProvider>
    );
  }

  private onChanged(): void {
    const { runner, slice } = this.options;
    const shown = runner.state !== null || slice.slice !== null;
    if (shown === this.isHidden) {
      this.setHidden(!shown);
    }
    requestAnimationFrame(() => this.measure());
  }

  private measure(): void {
    const height = this._body?.offsetHeight ?? 0;
    if (height && height !== this._height && !this.isDisposed) {
      this._height = height;
      this.node.style.minHeight = `${height}px`;
      this.parent?.fit();
    }
  }

  private _body: HTMLElement | null = null;
  private _height = 0;
  private _size: ResizeObserver | undefined;
}

function RunPart({ runner, onCancel }: IBarOptions): JSX.Element {
  const trans = useTrans();
  useChanged(runner);
  const { state } = runner;
  const all = state ? state.ran + state.left.length : 0;
  return (
    <div className="jp-mlops-Bar-part" role="status">
      {state && (
        <>
          <span className="jp-mlops-Bar-text">
            <strong>
              {trans.__(
                'Running cell %1 (%2 of %3)',
                state.left[0],
                state.ran + 1,
                all
              )}
            </strong>
            {state.left.length > 1 &&
              ` ${trans.__('then %1', state.left.slice(1).join(', '))}`}
          </span>
          <Button icon={stopIcon} onClick={onCancel}>
            {trans.__('Cancel')}
          </Button>
        </>
      )}
    </div>
  );
}

function SlicePart(options: IBarOptions): JSX.Element | null {
  const trans = useTrans();
  const { slice: model, onCopy, onTest, onClose } = options;
  useChanged(model);
  const { slice, cells, place, check } = model;
  if (!slice) {
    return null;
  }
  const gone = slice.cells.filter(({ cell }) => cell === 'deleted').length;
  const edited = slice.cells.filter(({ cell }) => cell === 'edited').length;
  const notes = [
    gone &&
      trans._n(
        '%1 of these cells is no longer in the notebook; a copy has it as it ran',
        '%1 of these cells are no longer in the notebook; a copy has them as they ran',
        gone
      ),
    edited &&
      trans._n(
        '%1 was edited since; a copy has it as it ran',
        '%1 were edited since; a copy has them as they ran',
        edited
      ),
    ...slice.notes
  ].filter((note): note is string => Boolean(note));
  return (
    <section
      className="jp-mlops-Bar-part"
      aria-label={trans.__('Slice of %1', slice.name)}
    >
      <span className="jp-mlops-Bar-text" role="status">
        {trans.__('Slice of')} <code title={slice.name}>{short(slice)}</code>
        {': '}
        {trans._n(
          '%1 of %2 execution',
          '%1 of %2 executions',
          slice.cells.length,
          slice.recorded
        )}
        {check?.state === 'running' && ` · ${trans.__('running alone…')}`}
        {check?.state === 'done' && (
          <span data-result={check.result}> · {check.text}</span>
        )}
      </span>
      <span className="jp-mlops-Bar-go">
        <IconButton
          icon={caretUpIcon}
          label={trans.__('Previous cell of the slice')}
          disabled={!cells.length}
          onClick={() => void model.go(-1)}
        />
        <span>
          {trans.__('%1 of %2', place < 0 ? '–' : place + 1, cells.length)}
        </span>
        <IconButton
          icon={caretDownIcon}
          label={trans.__('Next cell of the slice')}
          disabled={!cells.length}
          // Enter goes on from cell to cell, Escape closes.
          autoFocus
          onClick={() => void model.go(1)}
        />
      </span>
      <Button onClick={onCopy}>{trans.__('Copy to New Notebook')}</Button>
      <Button onClick={onTest} disabled={check?.state === 'running'}>
        {trans.__('Test Alone')}
      </Button>
      <IconButton
        icon={closeIcon}
        label={trans.__('Close the slice (Escape)')}
        onClick={onClose}
      />
      {notes.length > 0 && (
        <ul className="jp-mlops-Bar-notes">
          {notes.map(note => (
            <li key={note}>{note}</li>
          ))}
        </ul>
      )}
    </section>
  );
}

/** A run's or an execution's id, shortened. */
function short({ kind, name }: LiveSlice): string {
  if (kind === 'metric') {
    const [run = '', ...key] = name.replace(/^metric:/, '').split('/');
    return `${run.slice(0, SHORT)}/${key.join('/')}`;
  }
  return kind === 'run' || kind === 'execution' ? name.slice(0, SHORT) : name;
}
