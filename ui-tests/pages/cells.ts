import type { Locator } from '@playwright/test';
import { expect } from '@playwright/test';
import type { Lab } from './lab';
import { kernelReady, runInKernel, saveNotebook } from './notebook-file';

/** A notebook whose cells are marked. */
export class Cells {
  constructor(private readonly lab: Lab) {}

  get notebook(): Locator {
    return this.lab.page.locator('.jp-NotebookPanel:visible');
  }

  /** The bar above the notebook. */
  get bar(): Locator {
    return this.notebook.locator('.jp-mlops-Bar');
  }

  /** A code cell, from 1. */
  cell(number: number): Locator {
    return this.notebook.locator('.jp-CodeCell').nth(number - 1);
  }

  mark(number: number): Locator {
    return this.cell(number).locator('.jp-mlops-Mark');
  }

  /** How each code cell is marked; empty: it is not. */
  async kinds(): Promise<string[]> {
    return this.notebook
      .locator('.jp-CodeCell')
      .evaluateAll(cells =>
        cells.map(
          cell =>
            cell.querySelector<HTMLElement>('.jp-mlops-Mark')?.dataset.kind ??
            ''
        )
      );
  }

  /** Wait until the code cells that are marked like this are these, from 1. */
  async expectMarked(kind: string, numbers: number[]): Promise<void> {
    await expect
      .poll(
        async () =>
          (await this.kinds()).flatMap((each, n) =>
            each === kind ? [n + 1] : []
          ),
        { timeout: 20_000 }
      )
      .toEqual(numbers);
  }

  /** Make a notebook with these code cells, open it and wait for its kernel. */
  async open(path: string, sources: string[]): Promise<void> {
    const { page } = this.lab;
    const cells = sources.map((source, n) => ({ id: `cell-${n + 1}`, source }));
    await saveNotebook(page, path, cells);
    await this.lab.execute('docmanager:open', { path, factory: 'Notebook' });
    await kernelReady(page);
  }

  /** Begin to record the kernel, without a cell. */
  async record(): Promise<void> {
    await runInKernel(this.lab.page, '%load_ext jupyter_mlops');
  }

  /** Write a cell's source, as a person who types. */
  async edit(number: number, source: string): Promise<void> {
    await this.cell(number).locator('.cm-content').click();
    await this.lab.page.keyboard.press('ControlOrMeta+a');
    await this.lab.page.keyboard.type(source);
  }
}
