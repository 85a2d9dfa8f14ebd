import { expect, test } from '@playwright/test';
import { Lab } from '../pages/lab';
import { Pipelines } from '../pages/pipelines';

test('a folder becomes a workspace', async ({ page }) => {
  const lab = new Lab(page);
  await lab.open('plain');
  const panel = await lab.panel('experiments');
  await expect(panel).toContainText('This folder is not in a workspace.');
  await lab.leftWidth(320);
  await lab.screenshots('no-workspace-320');
  await panel
    .getByRole('button', { name: 'Make this folder a workspace' })
    .click();
  await lab.dialog.getByRole('textbox').fill('Plain things');
  await lab.dialog.getByRole('button', { name: 'Make workspace' }).click();
  await expect(panel).toContainText('Plain things');
  await expect(panel).toContainText('No runs yet.');
});

test('a failing cell is shown with its error and its notebook', async ({
  page
}) => {
  const lab = new Lab(page);
  const pipelines = new Pipelines(lab);
  await lab.open('iris');
  await pipelines.run('failing');
  await expect(pipelines.status).toHaveText('Failed', { timeout: 90_000 });
  const step = pipelines.step('divide');
  await expect(step.getByRole('alert')).toContainText('ZeroDivisionError');
  await expect(step.getByRole('table', { name: 'Cells' })).toContainText(
    'Divide by nothing'
  );
  await lab.screenshots('pipeline-run-failed');
  await step.getByRole('button', { name: 'Open executed notebook' }).click();
  await expect(page.locator('.jp-NotebookPanel:visible')).toContainText(
    'ZeroDivisionError'
  );

  // What was wrong is put right, and the run goes on.
  await lab.writeFile('iris/mended', '');
  await page.locator('.lm-TabBar-tab', { hasText: 'failing' }).first().click();
  await pipelines.runPage.getByRole('button', { name: 'Resume' }).click();
  await expect(pipelines.status).toHaveText('Succeeded', { timeout: 90_000 });
  await expect(step.getByRole('alert')).toHaveCount(0);
  await lab.deleteFile('iris/mended');
});

test('a run is cancelled', async ({ page }) => {
  const lab = new Lab(page);
  const pipelines = new Pipelines(lab);
  await lab.open('iris');
  await pipelines.run('iris', { seconds_per_round: '30' });
  await expect(
    pipelines.step('train').locator('.jp-mlops-CurrentCell')
  ).toHaveText('Fit the forest', { timeout: 90_000 });
  await pipelines.runPage.getByRole('button', { name: 'Cancel' }).click();
  await expect(pipelines.status).toHaveText('Cancelled', { timeout: 60_000 });
  await expect(
    pipelines.runPage.getByRole('button', { name: 'Resume' })
  ).toBeVisible();
});

test('a version is deployed from its card, stopped and deleted', async ({
  page
}) => {
  const lab = new Lab(page);
  await lab.open('iris');
  const panel = await lab.panel('models');
  await panel.getByRole('button', { name: /^iris.*version/ }).click();
  const model = lab.front.getByRole('article', { name: 'Model iris' });
  await model.getByRole('button', { name: 'Deploy…' }).first().click();
  await lab.dialog.getByRole('textbox').fill('second');
  await lab.screenshots('deploy-dialog');
  await lab.dialog.getByRole('button', { name: 'Deploy' }).click();

  const endpoint = lab.front.getByRole('article', { name: 'Endpoint second' });
  const status = endpoint.locator('header .jp-mlops-Status');
  await expect(status).toHaveText('Ready', { timeout: 60_000 });
  await expect(panel).toContainText('second');
  await endpoint.getByRole('button', { name: 'Stop' }).click();
  await expect(status).toHaveText('Stopped', { timeout: 30_000 });
  await endpoint.getByRole('button', { name: 'Delete' }).click();
  await lab.dialog.getByRole('button', { name: 'Delete' }).click();
  await expect(panel.getByRole('button', { name: /^second/ })).toHaveCount(0);
});

test('a notebook runs as a job from its context menu', async ({ page }) => {
  const lab = new Lab(page);
  const pipelines = new Pipelines(lab);
  await lab.open('iris');
  await page
    .locator('.jp-DirListing-item', { hasText: 'failing.ipynb' })
    .click({ button: 'right' });
  await page
    .locator('.lm-Menu-item', { hasText: 'Run as MLOps Job…' })
    .click();
  await lab.dialog.getByRole('button', { name: 'Run' }).click();
  await expect(pipelines.status).toHaveText('Failed', { timeout: 90_000 });
});

test('the wide table, sorted, filtered and used by keyboard', async ({
  page
}) => {
  const lab = new Lab(page);
  await lab.open('iris');
  await lab.execute('jupyter-mlops:open-runs-table');
  const table = lab.front.getByRole('table', { name: 'Runs' });
  await expect(table).toContainText('forest');
  await table.getByRole('button', { name: 'accuracy' }).click();
  await expect(
    table.getByRole('columnheader', { name: /accuracy/ })
  ).toHaveAttribute('aria-sort', 'descending');

  const filter = lab.front.getByRole('searchbox', { name: 'Filter the runs' });
  await filter.fill('metrics.accuracy >');
  await filter.press('Enter');
  await expect(lab.front.getByRole('alert')).toBeVisible();
  await lab.screenshots('runs-table-wrong-filter');
  await filter.fill('metrics.accuracy > 0.5');
  await filter.press('Enter');
  await expect(lab.front.getByRole('alert')).toHaveCount(0);
  await lab.screenshots('runs-table');

  await table.locator('tbody button').first().focus();
  await page.keyboard.press('Enter');
  await expect(lab.front.getByRole('article', { name: /^Run / })).toBeVisible();
});

test('the overview, also in high contrast', async ({ page }) => {
  const lab = new Lab(page);
  await lab.open('iris');
  await page
    .locator('.jp-LauncherCard', { hasText: 'Workbench' })
    .click();
  await expect(lab.front).toContainText('Where to go');
  await expect(lab.front).toContainText('Tracking store');
  await lab.screenshots('overview');
  await lab.panel('experiments');
  await lab.theme('JupyterLab Dark High Contrast');
  await lab.screenshot('high-contrast');
});
