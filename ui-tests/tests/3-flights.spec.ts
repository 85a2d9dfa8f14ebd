import { expect, test } from '@playwright/test';
import { Lab } from '../pages/lab';
import { Pipelines } from '../pages/pipelines';

const STEPS = ['prepare', 'train', 'evaluate', 'publish'];

/** The flights story on a part of the real data, from the panel alone. */
test('the flights of 2013, from the panel to a prediction', async ({
  page
}) => {
  const lab = new Lab(page);
  const pipelines = new Pipelines(lab);
  await lab.open('flights');
  await lab.leftWidth(320);

  await test.step('the pipeline runs and is watched to its end', async () => {
    await pipelines.run('flights', { sample: '0.05' });
    const train = pipelines.step('train');
    await expect(train.getByRole('progressbar')).toBeVisible({
      timeout: 120_000
    });
    const experiments = await lab.panel('experiments');
    const runs = experiments.getByRole('table', { name: 'Runs' });
    await expect(runs).toContainText('train', { timeout: 60_000 });
    await lab.screenshots('flights-running');
    await expect(pipelines.status).toHaveText('Succeeded', {
      timeout: 240_000
    });
    for (const name of STEPS) {
      await expect(
        pipelines.step(name).locator('.jp-mlops-Status').first()
      ).toHaveText('Succeeded');
    }
    await lab.screenshots('flights-succeeded');
  });

  await test.step('the training run has its curve', async () => {
    const panel = await lab.panel('experiments');
    await panel.getByRole('button', { name: /train sklearn/ }).click();
    const run = lab.front.getByRole('article', { name: /^Run train/ });
    await expect(run.getByRole('table', { name: 'Metrics' })).toContainText(
      'valid_auc'
    );
    await expect(run.locator('canvas').first()).toBeVisible();
    await expect(run).toContainText('train.ipynb');
    await lab.screenshots('flights-run');
  });

  await test.step('the model is asked, and its answer traced', async () => {
    const panel = await lab.panel('models');
    await panel.getByRole('button', { name: /^flight-delay.*version/ }).click();
    const model = lab.front.getByRole('article', {
      name: 'Model flight-delay'
    });
    await expect(model).toContainText('@champion');
    await model
      .getByRole('button', { name: 'flight-delay', exact: true })
      .click();
    const endpoint = lab.front.getByRole('article', {
      name: 'Endpoint flight-delay'
    });
    await endpoint.getByRole('button', { name: 'Ask' }).click();
    await expect(endpoint.locator('output')).toHaveText(/0\.\d+/);
    await endpoint.getByRole('button', { name: 'What led to this?' }).click();
    const trace = endpoint.getByRole('list', { name: 'What led to this' });
    for (const word of ['train.ipynb', 'Snapshot', 'Pipeline run']) {
      await expect(trace).toContainText(word);
    }
    await trace.scrollIntoViewIfNeeded();
    await lab.screenshots('flights-endpoint');
  });
});
