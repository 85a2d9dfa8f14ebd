import { expect, test } from '@playwright/test';
import { History } from '../pages/history';
import { Lab } from '../pages/lab';
import { saveNotebook } from '../pages/notebook-file';

const NOTEBOOK = 'iris/points.ipynb';
const CELLS = [
  '%load_ext jupyter_mlops',
  "# Read the points\nimport pandas as pd\n\npoints = pd.read_csv('points.csv')",
  '# Look at them\npoints.describe()',
  "# Track the mean\nimport jupyter_mlops as mlops\n\nwith mlops.run('mean of points') as run:\n    run.log_metric('mean', points.x.mean())"
];

test('from an output to its data, from a cell to its run, and back; verified and restored', async ({
  page
}) => {
  test.setTimeout(180_000);
  const lab = new Lab(page);
  const history = new History(lab);
  await lab.open('iris');
  await lab.writeFile('iris/points.csv', 'x,y\n1,2\n3,4\n5,9\n');
  const cells = CELLS.map((source, n) => ({ id: `points-${n}`, source }));
  await saveNotebook(page, NOTEBOOK, cells);
  await lab.execute('docmanager:open', { path: NOTEBOOK, factory: 'Notebook' });
  const notebook = history.notebook;
  await history.kernelReady();
  await lab.execute('notebook:run-all-cells');
  const table = notebook.locator('.jp-OutputArea-child', { hasText: 'mean' });
  await expect(table).toBeVisible({ timeout: 60_000 });

  // What the output was made of, on hover and by command.
  await table.locator('table').hover();
  const chip = notebook.locator('.jp-mlops-OriginChip');
  await expect(chip).toContainText('points.csv');
  await expect(chip).toContainText('In [3]');
  await lab.screenshot('provenance-hover');
  await chip.click();
  const card = page.getByRole('dialog', { name: 'What made this output' });
  await expect(
    card.getByRole('list', { name: 'Executions that it follows from' })
  ).toContainText('Read the points');
  await expect(card).toContainText('points.csv');
  await page.keyboard.press('Escape');
  await expect(card).toHaveCount(0);
  await lab.choose(table, 'Show What Made This Output');
  await expect(card).toContainText('Look at them');
  await lab.screenshots('provenance-origin');
  await page.keyboard.press('Escape');

  // What a cell leads to; after an edit, that it was other code.
  await notebook.locator('.jp-Cell .cm-content').nth(1).click();
  const feeds = notebook.locator('.jp-Cell.jp-mod-active .jp-mlops-Feeds');
  await expect(feeds).toContainText('feeds 1 run', { timeout: 60_000 });
  await page.keyboard.press('ControlOrMeta+End');
  await page.keyboard.type('.dropna()');
  await expect(feeds).toContainText('made by older code');
  await lab.screenshots('provenance-feeds');
  await feeds.getByRole('button', { name: 'run mean of points' }).click();

  // The run leads to its notebook as it was, and to the very cell.
  const run = lab.front.getByRole('article', { name: 'Run mean of points' });
  await expect(run.getByRole('button', { name: 'as it was' })).toBeVisible();
  await run
    .getByRole('list', { name: 'Cells in which it was made' })
    .getByRole('button', { name: 'Track the mean' })
    .click();
  await expect(notebook.locator('.jp-mlops-mod-found')).toContainText(
    'Track the mean'
  );

  // Its metric leads to the cells that made it, and no other.
  const tab = page.locator('.lm-TabBar-tab', { hasText: 'mean of points' });
  await tab.first().click();
  await lab.screenshots('provenance-run');
  await run.getByRole('button', { name: 'slice', exact: true }).click();
  const inside = notebook.locator('.jp-mlops-mod-inSlice');
  await expect(inside.last()).toContainText('Track the mean');
  await expect(notebook.locator('.jp-mlops-mod-offSlice')).toContainText(
    'Look at them'
  );
  await lab.screenshot('provenance-slice-of-metric');
  await lab.execute('jupyter-mlops:clear-slice');
  await expect(inside).toHaveCount(0);

  // The run is verified: its cells give the same again.
  await page
    .locator('.lm-TabBar-tab', { hasText: 'mean of points' })
    .first()
    .click();
  await run.getByRole('button', { name: 'Verify…' }).click();
  await lab.screenshot('provenance-verify-dialog');
  await lab.dialog.getByRole('button', { name: 'Verify' }).click();
  await expect(run).toContainText('Equal: the same results again', {
    timeout: 120_000
  });
  await run.getByText('4 cells').click();
  await lab.screenshots('provenance-run');
  await lab.leftWidth(890);
  await lab.screenshots('provenance-run-320');
  await lab.leftWidth(260);

  // And restored, beside the present work.
  await run.getByRole('button', { name: 'Restore…' }).click();
  await lab.dialog.getByRole('textbox').fill('points-again');
  // Its environment is offered, not made: here it has hundreds of packages.
  const environment = lab.dialog.getByLabel('Make its environment again');
  await expect(environment).toBeEnabled();
  await expect(environment).not.toBeChecked();
  await expect(lab.dialog).toContainText(/\d+ packages, installed by/);
  await lab.screenshots('provenance-restore-dialog');
  await lab.dialog.getByRole('button', { name: 'Restore' }).click();
  await expect(notebook).toContainText("pd.read_csv('points.csv')", {
    timeout: 30_000
  });
  await expect(
    page.locator('.lm-TabBar-tab', { hasText: 'points-as-executed' })
  ).toHaveCount(1);

  // Taking it away says what would be lost with it, and asks.
  await lab.writeFile('iris/restored/points-again/mine.py', 'kept = 1\n');
  const toast = page.locator('.jp-toastContainer');
  await toast.getByRole('button', { name: 'Undo' }).click();
  await expect(lab.dialog).toContainText('mine.py');
  await lab.screenshots('provenance-undo-dialog');
  await lab.dialog.getByRole('button', { name: 'Take Away' }).click();
  await expect(toast).toContainText('points-again was taken away.');
});
