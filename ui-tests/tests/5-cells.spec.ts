import { expect, test } from '@playwright/test';
import { Cells } from '../pages/cells';
import { Lab } from '../pages/lab';

/** What cell 3 makes, 5 and 9 follow from. */
const NINE = [
  'rows = 1',
  'other = 2',
  'base = rows + 1',
  'more = other * 2',
  'total = base + rows',
  'even = more % 2',
  'texts = [more]',
  'largest = max(other, more)',
  'print(total)'
];

test('an edit of cell 3 marks 5 and 9; they are run; what made a value is highlighted', async ({
  page
}) => {
  test.setTimeout(180_000);
  const lab = new Lab(page);
  const cells = new Cells(lab);
  await lab.open('iris');
  await cells.open('iris/stale.ipynb', NINE);

  // A kernel that is not recorded: nothing is marked, and asking says why.
  await lab.choose(cells.cell(1), 'Run What Is Stale');
  const toast = page.locator('.jp-toastContainer');
  await expect(toast).toContainText('are not recorded');
  expect(new Set(await cells.kinds())).toEqual(new Set(['']));
  await page.getByRole('button', { name: 'Record From Now On' }).click();
  await cells.expectMarked('never', [1, 2, 3, 4, 5, 6, 7, 8, 9]);
  await lab.execute('notebook:run-all-cells');
  await cells.expectMarked('fresh', [1, 2, 3, 4, 5, 6, 7, 8, 9]);

  await cells.edit(3, 'base = rows + 10');
  await cells.expectMarked('stale', [5, 9]);
  await cells.expectMarked('edited', [3]);
  await expect(cells.mark(5)).toHaveAccessibleName(
    /^Stale: it reads base, which cell 3 .* makes: that is stale$/
  );
  await page.keyboard.press('Escape');
  await lab.screenshots('cells-stale');

  // Why, from the cell's menu; by keyboard it is closed.
  await lab.choose(
    cells.cell(5).locator('.jp-InputPrompt'),
    'Why Is This Cell Marked?'
  );
  const popup = page.getByRole('dialog', { name: 'Stale' });
  await expect(popup).toBeFocused();
  await lab.screenshot('cells-why');
  await page.keyboard.press('Escape');
  await expect(popup).toHaveCount(0);

  // The command in the toolbar; outputs arrive in place.
  await cells.notebook
    .getByRole('button', { name: /Run the cells whose results/ })
    .click();
  await cells.expectMarked('fresh', [1, 2, 3, 4, 5, 6, 7, 8, 9]);
  await expect(cells.cell(9).locator('.jp-OutputArea-output')).toHaveText('12');
  await expect(toast).toContainText('3 cells ran.');
  expect(await cells.cell(4).locator('.jp-InputPrompt').innerText()).toContain(
    '[4]'
  );

  // The slice, in place, of the name that is marked in the editor.
  const total = cells.cell(5).locator('.cm-line');
  const within = { position: { x: 20, y: 8 } };
  await total.dblclick(within);
  await lab.choose(total, 'Show Slice of…', within);
  await expect(cells.bar).toContainText('3 of 12 executions');
  const inside = cells.notebook.locator('.jp-mlops-mod-inSlice');
  await expect(inside).toHaveCount(3);
  await expect(cells.notebook.locator('.jp-mlops-mod-offSlice')).toHaveCount(6);
  await expect(
    cells.bar.getByRole('button', { name: 'Next cell of the slice' })
  ).toBeFocused();
  await page.keyboard.press('Enter');
  await expect(cells.bar).toContainText('2 of 3');
  await lab.screenshots('cells-slice');
  await cells.bar.getByRole('button', { name: 'Test Alone' }).click();
  await expect(cells.bar).toContainText('Run alone it gives the same.', {
    timeout: 60_000
  });
  await lab.execute('application:toggle-left-area');
  await page.setViewportSize({ width: 320, height: 640 });
  await lab.screenshot('cells-slice-320');
  await page.setViewportSize({ width: 1280, height: 800 });
  await lab.execute('application:toggle-left-area');
  await cells.bar
    .getByRole('button', { name: 'Next cell of the slice' })
    .focus();
  await page.keyboard.press('Escape');
  await expect(inside).toHaveCount(0);
  await expect(cells.bar).toBeHidden();

  // Hidden state is warned of before a restart takes it away.
  await cells.cell(1).locator('.jp-InputPrompt').click();
  await lab.execute('notebook:delete-cell');
  await cells.expectMarked('hidden', [2, 4]);
  await lab.theme('JupyterLab Dark High Contrast');
  await lab.screenshot('cells-hidden-contrast');
  await lab.theme('JupyterLab Light');
  const restarted = lab.execute('notebook:restart-kernel');
  await expect(toast).toContainText('relies on what a restart takes away');
  await page.locator('.jp-Dialog .jp-mod-accept').click();
  await restarted;
  await expect.poll(async () => (await cells.kinds()).join('')).toBe('');
});
