import { expect, test } from '@playwright/test';
import { History } from '../pages/history';
import { Lab } from '../pages/lab';
import { kernelReady, saveNotebook } from '../pages/notebook-file';

const NOTEBOOK = 'iris/notes.ipynb';

/** A notebook of its own, so that other tests' notebooks stay as they are. */
async function makeNotebook(lab: Lab, path = NOTEBOOK): Promise<void> {
  await saveNotebook(lab.page, path, [
    { id: 'one', source: 'rows = 1' },
    { id: 'two', source: 'print(rows)' }
  ]);
}

test('edit, save, wait, restore the version before, undo', async ({ page }) => {
  const lab = new Lab(page);
  const history = new History(lab);
  await lab.open('iris');
  await makeNotebook(lab);
  await history.open(NOTEBOOK);
  await expect(history.versions).toHaveCount(1);
  // What comes into the document between the save and the restore is a version too.
  await history.kernelReady();

  await history.edit(0, 'rows = 2');
  await history.save();
  await expect(history.versions).toHaveCount(2);
  await expect(history.versions.first()).toContainText('cell 1 edited');
  await expect(history.versions.first()).toContainText('now');

  await history.versions
    .nth(1)
    .getByRole('button', { name: /^Restore/ })
    .click();
  await expect(history.cell(0)).toHaveText('rows = 1');
  await expect(history.versions).toHaveCount(3);
  await expect(history.versions.first()).toContainText('Restored');
  // Lab's document is the file again: saving asks nothing and changes nothing.
  await history.save();
  await expect(lab.dialog).toHaveCount(0);

  await page.getByRole('button', { name: 'Undo' }).click();
  await expect(history.cell(0)).toHaveText('rows = 2');
});

test('what is on the screen and not saved is not lost by a restore', async ({
  page
}) => {
  const lab = new Lab(page);
  const history = new History(lab);
  await lab.open('iris');
  await makeNotebook(lab, 'iris/unsaved.ipynb');
  await history.open('iris/unsaved.ipynb');
  await expect(history.versions).toHaveCount(1);
  await history.edit(0, 'rows = 7');
  await history.save();
  await expect(history.versions).toHaveCount(2);
  await history.edit(0, 'rows = "never saved"');
  await history.versions
    .nth(1)
    .getByRole('button', { name: /^Restore/ })
    .click();
  await expect(history.cell(0)).toHaveText('rows = 1');
  const search = history.search;
  await search.fill('rows = "never saved"');
  await expect(history.versions).toHaveCount(1);
});

test('an execution that is not saved is a version, by keyboard to the comparison', async ({
  page
}) => {
  const lab = new Lab(page);
  const history = new History(lab);
  await lab.open('iris');
  await makeNotebook(lab, 'iris/executed.ipynb');
  await history.open('iris/executed.ipynb');
  const status = page.locator('#jp-main-statusbar');
  await expect(status).toContainText('| Idle', { timeout: 60_000 });
  await lab.execute('notebook:run-all-cells');
  await expect(history.notebook.locator('.jp-OutputArea-output')).toHaveText(
    '1',
    { timeout: 60_000 }
  );
  await expect(history.versions).toHaveCount(2, { timeout: 30_000 });
  await expect(history.versions.first()).toContainText('Cells ran');
  await expect(history.versions.first()).toContainText('output of 1 cell');

  await history.versions
    .first()
    .getByRole('button', { name: /^Compare/ })
    .focus();
  await page.keyboard.press('Enter');
  const diff = lab.front.getByRole('article', { name: /^Versions of/ });
  await diff
    .getByRole('button', { name: 'What did this version change?' })
    .click();
  const changed = diff.getByRole('region', { name: 'Cell 2 changed' });
  await expect(changed).toContainText('stdout: 1');
});

test('executions of recorded cells: listed as they run, opened, back to the cell', async ({
  page
}) => {
  const lab = new Lab(page);
  const history = new History(lab);
  await lab.open('iris');
  await makeNotebook(lab, 'iris/recorded.ipynb');
  await history.open('iris/recorded.ipynb');
  await expect(history.panel).toContainText('No execution is recorded.');
  await history.width(320);
  await lab.screenshots('history-executions-none');

  await kernelReady(page);
  await page.evaluate(async () => {
    const { shell } = (window as any).jupyterapp;
    const { kernel } = shell.currentWidget.context.sessionContext.session;
    await kernel.requestExecute({ code: '%load_ext jupyter_mlops' }).done;
  });
  await lab.execute('notebook:run-all-cells');
  await expect(history.executions).toHaveCount(2, { timeout: 60_000 });
  const [newest, first] = [
    history.executions.first(),
    history.executions.last()
  ];
  await expect(newest).toContainText('print(rows)');
  await expect(newest).toContainText('Succeeded');
  await expect(first).toContainText('rows = 1');

  // By keyboard: open it, go to the execution that made what it read, and to its cell.
  await newest.getByRole('button', { name: /read and wrote$/ }).focus();
  await page.keyboard.press('Enter');
  await expect(newest).toContainText('Environment');
  const count = await first.locator('.jp-mlops-Execution-count').innerText();
  await newest.getByRole('button', { name: `of ${count}` }).focus();
  await lab.screenshots('history-executions-320');
  await page.keyboard.press('Enter');
  await expect(
    first.getByRole('button', { name: /read and wrote$/ })
  ).toBeFocused();
  await first.getByRole('button', { name: 'rows = 1' }).click();
  await expect(history.notebook.locator('.jp-Cell').first()).toHaveClass(
    /jp-mod-active/
  );

  await history.edit(1, 'print(rows / 0)  # a long line that does not fit');
  await lab.execute('notebook:run-all-cells');
  await expect(history.executions).toHaveCount(4, { timeout: 60_000 });
  await expect(history.executions.first()).toContainText('ZeroDivisionError');
  await lab.screenshots('history-executions-failed');
  await history.panel
    .getByRole('combobox', { name: 'Which executions' })
    .selectOption('failed');
  await expect(history.executions).toHaveCount(1);
});

test('names, search, copies, a deleted notebook, in both themes', async ({
  page
}) => {
  const lab = new Lab(page);
  const history = new History(lab);
  await lab.open('iris');
  await makeNotebook(lab, 'iris/story.ipynb');
  await history.open('iris/story.ipynb');
  await expect(history.versions).toHaveCount(1);
  await history.versions
    .first()
    .getByRole('button', { name: /^Name/ })
    .click();
  await lab.dialog.getByRole('textbox').fill('before the refactoring');
  await lab.dialog.getByRole('button', { name: 'Name it' }).click();
  await expect(history.versions.first()).toContainText(
    'before the refactoring'
  );
  for (const [cell, source] of [
    [0, 'rows = 10_000\ncolumns = ["hour", "carrier", "distance"]'],
    [1, 'print(f"{rows} rows, {len(columns)} columns")'],
    [0, 'rows = 20_000\ncolumns = ["hour", "carrier"]']
  ] as const) {
    const before = await history.versions.count();
    await history.edit(cell, source);
    await history.save();
    await expect(history.versions).toHaveCount(before + 1);
  }
  await history.width(320);
  await lab.screenshots('history-320');
  await history.width(520);
  await lab.screenshots('history-520');

  const search = history.search;
  await search.fill('refactoring');
  await expect(history.versions).toHaveCount(1);
  await history.versions
    .first()
    .getByRole('button', { name: /^Compare/ })
    .click();
  const diff = lab.front.getByRole('article', { name: /^Versions of/ });
  await expect(diff).toContainText('2 cells differ');
  await lab.screenshots('history-compare');
  await lab.execute('application:toggle-right-area');
  await lab.screenshots('history-compare-wide');
  await lab.execute('application:toggle-right-area');
  await history.versions
    .first()
    .getByRole('button', { name: /as a copy$/ })
    .click();
  await expect(history.notebook).toContainText('rows = 1');
  await expect(history.panel).toContainText('story (');

  // Until then the kernel's description comes into the document.
  await kernelReady(page);
  await lab.execute('docmanager:save-all');
  await lab.execute('application:close-all');
  await lab.deleteFile('iris/story.ipynb');
  await expect(history.panel).toContainText(
    'No notebook of this workspace is open.'
  );
  await expect(history.panel).toContainText('Deleted notebooks');
  await lab.screenshots('history-deleted');
  await history.panel
    .getByRole('button', { name: 'Bring back story.ipynb' })
    .click();
  await expect(history.notebook).toContainText('20_000');
});

test('the history follows a rename, and is reached from the context menu', async ({
  page
}) => {
  const lab = new Lab(page);
  const history = new History(lab);
  await lab.open('iris');
  await makeNotebook(lab, 'iris/first-name.ipynb');
  await page
    .locator('.jp-DirListing-item', { hasText: 'first-name.ipynb' })
    .click({ button: 'right' });
  await page
    .locator('.lm-Menu-item', { hasText: 'Notebook History' })
    .click();
  await expect(history.versions).toHaveCount(1);
  await page.evaluate(async () => {
    const { contents } = (window as any).jupyterapp.serviceManager;
    await contents.rename('iris/first-name.ipynb', 'iris/second-name.ipynb');
  });
  await expect(history.panel).toContainText('second-name.ipynb');
  await expect(history.versions).toHaveCount(2);
  await expect(history.versions.first()).toContainText('Renamed');

  await lab.theme('JupyterLab Dark High Contrast');
  await lab.screenshot('history-high-contrast');
  await lab.theme('JupyterLab Light');
  await lab.execute('application:toggle-right-area');
  await expect(history.panel).toBeHidden();
  await page.keyboard.press('Control+Alt+KeyV');
  await expect(history.panel).toBeVisible();
});
