import { Dialog, Notification, showDialog } from '@jupyterlab/apputils';
import type { Kernel } from '@jupyterlab/services';
import type { TranslationBundle } from '@jupyterlab/translation';
import { MlopsError } from '../api';
import type { IServices } from '../components';
import { attempt, confirm, paragraphs } from '../components/notify';
import type { IOpenNotebooks } from './open-notebooks';
import type { ListedExecution } from './types';

/** Names that are said; the rest is counted. */
const SAID = 6;
const MODULE = 'jupyter_mlops.cells.timetravel.kernel';

export type TravelAction = 'goto' | 'undo' | 'redo';

/** What a jump changes, or has changed: the answer of `cells/timetravel/kernel.py`. */
export interface IJump {
  /** Id of the state that it leads to. */
  readonly state: string;
  readonly label: string;
  readonly title: string;
  readonly back: readonly string[];
  readonly gone: readonly string[];
  readonly stay: number;
  readonly generators: readonly string[];
  /** Cells that run again for what could not be kept. */
  readonly runs: readonly { readonly label: string; readonly title: string }[];
  /** Variables that can't be put back → why. */
  readonly lost: Readonly<Record<string, string>>;
  /** Present values that can't come back → why. */
  readonly leaves: Readonly<Record<string, string>>;
}

interface IRefusal {
  readonly error: {
    readonly what: string;
    readonly why: string;
    readonly next: string;
    readonly code: string;
  };
}

/** Puts the variables of an open notebook's kernel back as they were. Every failure is shown, none is thrown. */
export class TimeTravel {
  constructor(
    private readonly services: IServices,
    private readonly notebooks: IOpenNotebooks
  ) {}

  /** Ask, then go to the state after an execution. Whether the person did. */
  async goTo(labPath: string, row: ListedExecution): Promise<boolean> {
    const { trans } = this.services;
    return this.jump(labPath, 'goto', row.id, jump => ({
      title: trans.__('Go to the variables after %1?', jump.label),
      accept: trans.__('Go')
    }));
  }

  /** Ask, then undo what the last cell that changed variables did to them. */
  async undo(labPath: string): Promise<boolean> {
    const { trans } = this.services;
    return this.jump(labPath, 'undo', '', () => ({
      title: trans.__('Undo what the last cell did to the variables?'),
      accept: trans.__('Undo')
    }));
  }

  private async jump(
    labPath: string,
    action: TravelAction,
    to: string,
    ask: (jump: IJump) => { title: string; accept: string }
  ): Promise<boolean> {
    const { trans } = this.services;
    const done = await attempt(trans, async () => {
      const kernel = this.kernel(labPath);
      const plan = await this.call(kernel, 'preview', action, to);
      const partly = Object.keys(plan.lost).length > 0;
      if (!(partly ? await this.askPartly(plan) : await this.ask(plan, ask))) {
        return false;
      }
      // Another client may have run a cell in between: not to what nobody has seen.
      const seen = { expected: plan.state, partly };
      this.tell(labPath, await this.call(kernel, 'go', action, to, seen));
      return true;
    });
    return done ?? false;
  }

  private async ask(
    plan: IJump,
    ask: (jump: IJump) => { title: string; accept: string }
  ): Promise<boolean> {
    const { trans } = this.services;
    const { title, accept } = ask(plan);
    const answer = await showDialog({
      title,
      body: paragraphs(describe(plan, trans)),
      buttons: [
        Dialog.cancelButton({ label: trans.__('Cancel') }),
        Dialog.okButton({ label: accept })
      ]
    });
    return answer.button.accept;
  }

  /** Ask whether variables that can't be put back may go, so that the others can come. */
  private askPartly(plan: IJump): Promise<boolean> {
    const { trans } = this.services;
    const lost = Object.entries(plan.lost).slice(0, SAID);
    const more = Object.keys(plan.lost).length - lost.length;
    return confirm(
      trans,
      trans.__('Put the other variables back?'),
      paragraphs([
        trans.__(
          'Not all variables can be put back as they were after %1. These would be deleted, or stay away:',
          plan.label
        ),
        ...lost.map(([name, why]) => `${name}: ${why}`),
        ...(more > 0 ? [trans.__('and %1 more', more)] : []),
        ...describe(plan, trans),
        trans.__(
          'Or go to another state, or run the cells again that made them.'
        )
      ]),
      trans.__('Put Back the Others')
    );
  }

  private tell(labPath: string, done: IJump): void {
    const { trans } = this.services;
    const again = async () => {
      await attempt(trans, async () => {
        const back = await this.call(this.kernel(labPath), 'go', 'redo', '');
        Notification.success(
          trans.__('The variables are as they were before: %1.', back.label),
          { autoClose: 5000 }
        );
      });
    };
    Notification.success(
      trans.__('The variables are as they were after %1.', done.label),
      {
        autoClose: 10_000,
        actions: [
          {
            label: trans.__('Undo'),
            caption: trans.__('Go forward to where you were'),
            callback: () => void again()
          }
        ]
      }
    );
  }

  private kernel(labPath: string): Kernel.IKernelConnection {
    const { trans } = this.services;
    const context = this.notebooks.find(labPath);
    const kernel = context?.sessionContext.session?.kernel;
    if (!kernel) {
      throw new MlopsError({
        code: 'no-kernel',
        what: trans.__(
          'The notebook has no kernel whose variables could go back.'
        ),
        why: '',
        next: trans.__('Open it and start its kernel.')
      });
    }
    if (kernel.status === 'busy') {
      throw new MlopsError({
        code: 'kernel-busy',
        what: trans.__('A cell is running in this notebook.'),
        why: '',
        next: trans.__('Wait for its end, or interrupt it, and try again.')
      });
    }
    return kernel;
  }

  /** Ask the kernel, silently: nothing of it is an execution of the notebook's. */
  private async call(
    kernel: Kernel.IKernelConnection,
    what: 'preview' | 'go',
    action: TravelAction,
    to: string,
    seen?: { readonly expected: string; readonly partly: boolean }
  ): Promise<IJump> {
    const { trans } = this.services;
    const texts = [action, to, ...(seen ? [seen.expected] : [])];
    const said = [
      ...texts.map(each => JSON.stringify(each)),
      ...(seen?.partly ? ['partly=True'] : [])
    ];
    const call = `${what}(${said.join(', ')})`;
    const reply = await kernel.requestExecute({
      code: '',
      silent: true,
      store_history: false,
      user_expressions: {
        answer: `__import__("${MODULE}", fromlist=["_"]).${call}`
      }
    }).done;
    const { content } = reply;
    const answer = (
      content.status === 'ok' ? content.user_expressions?.answer : undefined
    ) as { data?: Record<string, unknown>; evalue?: string } | undefined;
    const told = answer?.data?.['application/json'] as
      IJump | IRefusal | undefined;
    if (!told || 'error' in told) {
      throw new MlopsError({
        code: told?.error.code ?? 'no-such-state',
        what: told?.error.what ?? trans.__('This kernel keeps no states.'),
        why: told?.error.why ?? answer?.evalue ?? '',
        next:
          told?.error.next ??
          trans.__('Run %load_ext jupyter_mlops before the cells to undo.')
      });
    }
    return told;
  }
}

/** What a jump changes, as paragraphs. */
export function describe(plan: IJump, trans: TranslationBundle): string[] {
  const names = (all: readonly string[]) =>
    all.length > SAID
      ? trans.__(
          '%1 and %2 more',
          all.slice(0, SAID).join(', '),
          all.length - SAID
        )
      : all.join(', ');
  const said = [];
  if (plan.back.length) {
    const n = plan.back.length;
    said.push(
      trans._n(
        '%1 variable is put back: %2.',
        '%1 variables are put back: %2.',
        n,
        names(plan.back)
      )
    );
  }
  if (plan.gone.length) {
    const n = plan.gone.length;
    said.push(
      trans._n(
        '%1 variable is deleted: %2.',
        '%1 variables are deleted: %2.',
        n,
        names(plan.gone)
      )
    );
  }
  if (plan.generators.length) {
    said.push(
      trans.__('Random generators are set: %1.', names(plan.generators))
    );
  }
  if (!said.length) {
    said.push(
      trans.__('The variables are the same; nothing has to be put back.')
    );
  }
  if (plan.runs.length) {
    const cells = plan.runs.map(each => `${each.label} (${each.title})`);
    said.push(
      trans.__(
        'What could not be kept is made by running again: %1.',
        names(cells)
      )
    );
  }
  const left = Object.keys(plan.leaves);
  if (left.length) {
    said.push(
      trans.__(
        'Can’t come back once you have left where you are: %1.',
        names(left)
      )
    );
  }
  said.push(trans.__('Cells, outputs, files and options stay as they are.'));
  return said;
}

/** Whether an execution has a state that can be gone to. */
export function hasState(row: ListedExecution): boolean {
  return (
    !['running', 'died', 'cached'].includes(row.status) &&
    row.step === '' &&
    row.restored === ''
  );
}
