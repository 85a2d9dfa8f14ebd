import { expect, test } from '@playwright/test';
import { History } from '../pages/history';
import { Lab } from '../pages/lab';

const NOTEBOOK = 'iris/travel.ipynb';

test('a cell is undone, and any state gone to, from the History panel', async ({
  page
}) => {
  const lab = new Lab(page);
  const history = new History(lab);
  await lab.open('iris');
  await history.make(NOTEBOOK, [
    ['make', 'rows = [1]\nsame = rows'],
    ['grow', 'rows.append(2)\ntotal = sum(rows)'],
    ['look', 'print(rows, same is rows)']
  ]);
  await history.open(NOTEBOOK);
  await history.width(320);
  await history.kernelReady();
  await history.inKernel('%load_ext jupyter_mlops');
  await lab.execute('notebook:run-all-cells');
  const output = history.notebook.locator('.jp-OutputArea-output').last();
  await expect(output).toHaveText('[1, 2] True', { timeout: 60_000 });
  await expect(history.executions).toHaveCount(3, { timeout: 60_000 });
  const last = history.executions.first();

  // What changes is said first.
  const undone = lab.execute('jupyter-mlops:undo-cell');
  await expect(lab.dialog).toContainText('2 variables are put back: rows, same');
  await expect(lab.dialog).toContainText('1 variable is deleted: total');
  await lab.screenshots('time-travel-confirm');
  await lab.dialog.getByRole('button', { name: 'Undo' }).click();
  await undone;
  await expect(page.getByText('as they were after In [2]')).toBeVisible();
  await history.runCell(2);
  await expect(output).toHaveText('[1] True');

  // The panel marks what was left, and leads back to it.
  await expect(history.executions.getByText('left behind')).toHaveCount(2, {
    timeout: 30_000
  });
  await lab.screenshots('time-travel-320');
  const grow = history.executions.filter({ hasText: 'rows.append(2)' });
  await grow.getByRole('button', { name: /^Go to the variables/ }).focus();
  await page.keyboard.press('Enter');
  await lab.dialog.getByRole('button', { name: 'Go' }).click();
  await history.runCell(2);
  await expect(output).toHaveText('[1, 2] True');
  await expect(last).toBeVisible();
});

test('where not all can be put back, it is asked whether the others are', async ({
  page
}) => {
  const lab = new Lab(page);
  const history = new History(lab);
  await lab.open('iris');
  await history.make('iris/partly.ipynb', [
    ['make', 'rows = [1]'],
    ['open', "file = open('out.txt', 'w')\nheld = [file]"],
    ['close', 'rows.append(2)\nfile.close()\nfile = held = None'],
    ['look', "print(rows, 'held' in globals())"]
  ]);
  await history.open('iris/partly.ipynb');
  await history.width(320);
  await history.kernelReady();
  await history.inKernel('%load_ext jupyter_mlops');
  await lab.execute('notebook:run-all-cells');
  const output = history.notebook.locator('.jp-OutputArea-output').last();
  await expect(output).toHaveText('[1, 2] True', { timeout: 60_000 });
  await expect(history.executions).toHaveCount(4, { timeout: 60_000 });

  const opened = history.executions.filter({ hasText: 'file = open' });
  await opened.getByRole('button', { name: /^Go to the variables/ }).click();
  await expect(lab.dialog).toContainText('Put the other variables back?');
  await expect(lab.dialog).toContainText('held: ');
  await lab.screenshots('time-travel-partly');
  // Nothing happens where it is refused.
  await lab.dialog.getByRole('button', { name: 'Cancel' }).click();
  await history.runCell(3);
  await expect(output).toHaveText('[1, 2] True');

  await opened.getByRole('button', { name: /^Go to the variables/ }).click();
  await lab.dialog
    .getByRole('button', { name: 'Put Back the Others' })
    .click();
  await expect(page.getByText(/as they were after In/)).toBeVisible();
  await history.runCell(3);
  await expect(output).toHaveText('[1] False');
});
