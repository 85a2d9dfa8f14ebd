import type { Locator } from '@playwright/test';
import { expect } from '@playwright/test';
import type { Lab } from './lab';

/** The Pipelines panel and the page of a run. */
export class Pipelines {
  constructor(private readonly lab: Lab) {}

  /** Start a pipeline from its card, with some parameters changed. */
  async run(
    name: string,
    parameters: Record<string, string> = {}
  ): Promise<void> {
    const panel = await this.lab.panel('pipelines');
    await panel.getByRole('button', { name: `Run ${name}…` }).click();
    for (const [parameter, value] of Object.entries(parameters)) {
      await this.lab.dialog.getByLabel(parameter).fill(value);
    }
    await this.lab.dialog.getByRole('button', { name: 'Run' }).click();
    await expect(this.lab.dialog).toHaveCount(0);
  }

  /** The page of the run in front. */
  get runPage(): Locator {
    return this.lab.front.getByRole('article', { name: /^Pipeline run/ });
  }

  /** The status of the run in front. */
  get status(): Locator {
    return this.runPage.locator('header .jp-mlops-Status');
  }

  step(name: string): Locator {
    return this.runPage.locator(`[data-step="${name}"]`);
  }
}
