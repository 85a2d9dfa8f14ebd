import { expect } from '@playwright/test';
import type { Page } from '@playwright/test';

/** A code cell of a notebook that a test writes. */
export interface ICodeCell {
  id: string;
  source: string;
  tags?: string[];
}

/** Write a notebook of these code cells through JupyterLab. */
export async function saveNotebook(
  page: Page,
  path: string,
  cells: readonly ICodeCell[]
): Promise<void> {
  await page.evaluate(
    async ([where, sources]) => {
      const { contents } = (window as any).jupyterapp.serviceManager;
      await contents.save(where, {
        type: 'notebook',
        format: 'json',
        content: {
          nbformat: 4,
          nbformat_minor: 5,
          metadata: {
            kernelspec: {
              name: 'python3',
              display_name: 'Python 3',
              language: 'python'
            }
          },
          cells: sources.map(({ id, source, tags }) => ({
            id,
            cell_type: 'code',
            metadata: tags ? { tags } : {},
            source,
            outputs: [],
            execution_count: null
          }))
        }
      });
    },
    [path, cells] as const
  );
}

/** Run code in the kernel of the notebook in front, in no cell. */
export async function runInKernel(page: Page, code: string): Promise<void> {
  await page.evaluate(async source => {
    const { shell } = (window as any).jupyterapp;
    const { kernel } = shell.currentWidget.context.sessionContext.session;
    await kernel.requestExecute({ code: source }).done;
  }, code);
}

/** Wait for the kernel of the notebook in front. */
export async function kernelReady(page: Page): Promise<void> {
  await expect(page.locator('#jp-main-statusbar')).toContainText('| Idle', {
    timeout: 60_000
  });
}
