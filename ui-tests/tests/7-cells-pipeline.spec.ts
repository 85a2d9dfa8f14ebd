import { expect, test } from '@playwright/test';
import { Cells } from '../pages/cells';
import { Lab } from '../pages/lab';
import { kernelReady, saveNotebook } from '../pages/notebook-file';

const NOTEBOOK = 'iris/cells.ipynb';

/** A notebook with tags. */
async function make(lab: Lab): Promise<void> {
  const cell = (id: string, source: string, ...tags: string[]) => ({
    id,
    source,
    tags
  });
  await saveNotebook(lab.page, NOTEBOOK, [
    cell('imports', 'import math\nimport threading'),
    cell('settings', 'scale = 2.5', 'parameters'),
    cell('load', '# Load the rows\nrows = [1, 2, 3]', 'step:load'),
    cell('alias', 'same = rows'),
    cell('lock', 'lock = threading.Lock()'),
    cell('grow', 'with lock:\n    same.append(scale)', 'step:grow'),
    cell('show', 'print(math.fsum(rows))', 'step:show', 'prev:grow'),
    cell('draft', 'draft = None', 'skip')
  ]);
}

test('a pipeline is made from the cells of a notebook', async ({ page }) => {
  const lab = new Lab(page);
  await lab.open('iris');
  await make(lab);
  await lab.execute('docmanager:open', { path: NOTEBOOK });
  await kernelReady(page);
  // Recorded: what a lock shares no objects with is not told by code alone.
  await new Cells(lab).record();
  await lab.execute('notebook:run-all-cells');

  // From the context menu of the notebook.
  await page
    .locator('.jp-Notebook .jp-CodeCell .jp-InputArea-editor')
    .first()
    .click({ button: 'right' });
  await page.getByRole('menuitem', { name: /^Make Pipeline from Cells/ }).click();
  const article = page.getByRole('article', { name: /^Pipeline from the cells/ });
  const step = (name: string) =>
    article.getByRole('region', { name: `Step ${name}`, exact: true });
  await expect(step('grow')).toContainText('rows, same');
  await expect(step('grow')).toContainText('runs again here');
  await expect(step('grow')).toContainText(
    "lock is made again here by cell 5: it can't be handed on"
  );
  await expect(article).toContainText('Left out: cells 8');
  await expect(article.getByText('No execution of its cells')).toHaveCount(0);
  await lab.screenshots('cells-pipeline');

  // By keyboard: another name, and two steps made one.
  const name = article.getByRole('textbox', { name: 'Name of step 3' });
  await name.fill('report');
  await name.press('Enter');
  await expect(step('report')).toBeVisible();
  await article
    .getByRole('button', { name: 'Merge grow with the step below' })
    .press('Enter');
  await expect(step('report')).toHaveCount(0);
  await expect(step('grow').getByRole('listitem').last()).toBeVisible();
  await article.getByRole('button', { name: 'Split before cell 7' }).click();
  await expect(step('grow-2')).toBeVisible();

  // In a narrow window it reads as well.
  await page.setViewportSize({ width: 640, height: 900 });
  await lab.leftWidth(250);
  await lab.screenshots('cells-pipeline-320');
  const wide = await article.evaluate(
    node => node.scrollWidth - node.clientWidth
  );
  expect(wide).toBeLessThanOrEqual(0);
  await page.setViewportSize({ width: 1280, height: 800 });

  // Written once; the files are there, and lead on to the run.
  await article.getByRole('button', { name: 'Write Pipeline' }).click();
  await article
    .getByRole('button', { name: 'cells-pipeline/cells.pipeline.yaml' })
    .click();
  await expect(lab.front).toContainText('grow-2:');
});
