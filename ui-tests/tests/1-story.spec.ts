import { expect, test } from '@playwright/test';
import { Lab } from '../pages/lab';
import { Pipelines } from '../pages/pipelines';

/** The whole story: run the pipeline, watch it, look at what it made, ask it. */
test('from a pipeline run to a prediction', async ({ page }) => {
  const lab = new Lab(page);
  const pipelines = new Pipelines(lab);
  const errors: string[] = [];
  page.on('pageerror', error => errors.push(String(error)));

  await lab.open('iris');

  await test.step('the pipelines of the workspace are listed, with what is wrong', async () => {
    const panel = await lab.panel('pipelines');
    await expect(panel).toContainText('train → publish');
    await expect(panel).toContainText('broken.pipeline.yaml');
    await expect(
      panel.getByRole('button', { name: 'Run broken…' })
    ).toBeDisabled();
    await lab.leftWidth(320);
    await lab.screenshots('pipelines-panel-320');
  });

  await test.step('the run is watched cell by cell', async () => {
    await pipelines.run('iris', { seconds_per_round: '0.25' });
    await expect(pipelines.status).toHaveText('Running');
    const train = pipelines.step('train');
    await expect(train.getByRole('progressbar')).toBeVisible();
    await expect(train.locator('.jp-mlops-CurrentCell')).toHaveText(
      'Fit the forest',
      { timeout: 60_000 }
    );
    await expect(page.locator('.jp-mlops-StatusItem')).toContainText(
      '1 pipeline run'
    );
    await lab.screenshots('pipeline-run-running');
  });

  await test.step('the training run shows while it trains', async () => {
    const panel = await lab.panel('experiments');
    await expect(panel.getByRole('table', { name: 'Runs' })).toContainText(
      'forest'
    );
    await expect(panel).toContainText('Running');
  });

  await test.step('it succeeds', async () => {
    await expect(pipelines.status).toHaveText('Succeeded', {
      timeout: 120_000
    });
    await expect(page.locator('.jp-mlops-StatusItem')).toBeHidden();
    await pipelines
      .step('train')
      .getByRole('button', { name: 'train', exact: true })
      .click();
    await expect(pipelines.step('train')).toContainText('Hand on the accuracy');
    await lab.screenshots('pipeline-run-succeeded');
  });

  await test.step('the tracked run has its parameters, curve and origin', async () => {
    const panel = await lab.panel('experiments');
    await lab.screenshots('experiments-panel-320');
    await panel.getByRole('button', { name: 'forest' }).click();
    const run = lab.front.getByRole('article', { name: 'Run forest' });
    await expect(run.getByRole('table', { name: 'Metrics' })).toContainText(
      'accuracy'
    );
    await expect(run.getByRole('table', { name: 'Parameters' })).toContainText(
      'trees'
    );
    await expect(run.locator('canvas')).toBeVisible();
    await expect(run).toContainText('train.ipynb');
    await expect(run.getByRole('button', { name: 'iris/1' })).toBeVisible();
    await lab.screenshots('run-page');
  });

  await test.step('the model says where it answers', async () => {
    const panel = await lab.panel('models');
    await expect(panel).toContainText('@champion → 1');
    await lab.screenshots('models-panel-320');
    await panel.getByRole('button', { name: /^iris.*1 version/ }).click();
    const model = lab.front.getByRole('article', { name: 'Model iris' });
    await expect(model).toContainText('Version 1');
    await expect(model).toContainText('@champion');
    await lab.screenshots('model-page');
    await model.getByRole('button', { name: 'iris', exact: true }).click();
  });

  await test.step('the endpoint is asked, and the answer traced', async () => {
    const endpoint = lab.front.getByRole('article', { name: 'Endpoint iris' });
    await expect(endpoint.locator('header .jp-mlops-Status')).toHaveText(
      'Ready'
    );
    await endpoint.getByLabel('petal_length').fill('1.4');
    await endpoint.getByLabel('petal_width').fill('0.2');
    await endpoint.getByRole('button', { name: 'Ask' }).click();
    await expect(endpoint.locator('output')).toHaveText('0');
    await expect(await lab.panel('models')).toContainText('1 request');
    await endpoint.getByRole('button', { name: 'What led to this?' }).click();
    const trace = endpoint.getByRole('list', { name: 'What led to this' });
    for (const word of ['Model version', 'Run', 'Notebook', 'Snapshot']) {
      await expect(trace).toContainText(word);
    }
    await expect(trace).toContainText('train.ipynb');
    await trace.scrollIntoViewIfNeeded();
    await lab.screenshots('endpoint-page');
  });

  await test.step('the pages are there again after a reload', async () => {
    await lab.reload();
    await expect(
      lab.front.getByRole('article', { name: 'Endpoint iris' })
    ).toBeVisible();
  });

  await test.step('the endpoint leads to the cell that made its model', async () => {
    await lab.front
      .getByRole('list', { name: 'Cells in which it was made' })
      .getByRole('button', { name: 'Fit the forest' })
      .click();
    await expect(
      page.locator('.jp-NotebookPanel:visible .jp-mlops-mod-found')
    ).toContainText('RandomForestClassifier');
  });

  expect(errors).toEqual([]);
});
