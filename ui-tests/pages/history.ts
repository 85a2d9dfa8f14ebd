import type { Locator } from '@playwright/test';
import { expect } from '@playwright/test';
import type { Lab } from './lab';
import { kernelReady, runInKernel, saveNotebook } from './notebook-file';

/** The History panel at the right, and the notebook that it follows. */
export class History {
  constructor(private readonly lab: Lab) {}

  get panel(): Locator {
    return this.lab.page.locator('#jupyter-mlops-history');
  }

  /** The versions, newest first. */
  get versions(): Locator {
    return this.panel.getByRole('listitem', { name: /^Version of/ });
  }

  /** The field that searches the versions. */
  get search(): Locator {
    return this.panel.getByRole('searchbox', { name: /^Search versions/ });
  }

  /** The executions of cells, newest first. */
  get executions(): Locator {
    return this.panel.getByRole('listitem', { name: /^Execution In/ });
  }

  /** The notebook in front. */
  get notebook(): Locator {
    return this.lab.page.locator('.jp-NotebookPanel:visible');
  }

  async open(path: string): Promise<void> {
    await this.lab.execute('docmanager:open', { path, factory: 'Notebook' });
    await expect(this.notebook.locator('.jp-Cell').first()).toBeVisible();
    await this.lab.execute('jupyter-mlops:open-history');
    await expect(this.panel).toBeVisible();
  }

  /** Write a notebook of these code cells: id and source. */
  async make(
    path: string,
    cells: readonly (readonly [string, string])[]
  ): Promise<void> {
    await saveNotebook(
      this.lab.page,
      path,
      cells.map(([id, source]) => ({ id, source }))
    );
  }

  /** Run code in the notebook's kernel, in no cell. */
  async inKernel(code: string): Promise<void> {
    await runInKernel(this.lab.page, code);
  }

  /** Run one cell. */
  async runCell(index: number): Promise<void> {
    await this.notebook.locator('.jp-Cell .jp-InputPrompt').nth(index).click();
    await this.lab.execute('notebook:run-cell');
  }

  /** Wait for the kernel, whose description comes into the document when it is there. */
  async kernelReady(): Promise<void> {
    await kernelReady(this.lab.page);
  }

  /** Write a cell's source, as a person who types. */
  async edit(cell: number, source: string): Promise<void> {
    const editor = this.notebook.locator('.jp-Cell .cm-content').nth(cell);
    await editor.click();
    await this.lab.page.keyboard.press('ControlOrMeta+a');
    await this.lab.page.keyboard.type(source);
  }

  async save(): Promise<void> {
    await this.lab.execute('docmanager:save');
  }

  cell(index: number): Locator {
    return this.notebook.locator('.jp-Cell .cm-content').nth(index);
  }

  /** Make the right area this wide, in pixels. */
  async width(pixels: number): Promise<void> {
    const { page } = this.lab;
    const box = await page.locator('#jp-right-stack').boundingBox();
    if (!box) {
      throw new Error('The right area is not shown.');
    }
    const y = box.y + box.height / 2;
    await page.mouse.move(box.x - 2, y);
    await page.mouse.down();
    await page.mouse.move(box.x + box.width - pixels, y, { steps: 5 });
    await page.mouse.up();
  }
}
