import type { Locator, Page } from '@playwright/test';
import { expect } from '@playwright/test';

/** Ids of our panels in the left side bar. */
export type PanelName = 'experiments' | 'pipelines' | 'models';

export type Theme =
  'JupyterLab Light' | 'JupyterLab Dark' | 'JupyterLab Dark High Contrast';

/** JupyterLab in a browser. */
export class Lab {
  constructor(readonly page: Page) {}

  /** Open Lab with an empty layout, at a folder. */
  async open(folder = ''): Promise<void> {
    await this.page.goto(folder ? `lab/tree/${folder}?reset` : 'lab?reset');
    await this.settled();
  }

  /** Load the page again, keeping the layout. */
  async reload(): Promise<void> {
    // The layout is saved a moment after it changes.
    await this.page.waitForTimeout(1500);
    await this.page.goto('lab');
    await this.settled();
  }

  /** A panel of ours, brought to the front. */
  async panel(name: PanelName): Promise<Locator> {
    const id = `jupyter-mlops-${name}`;
    const tab = this.page.locator(`.jp-SideBar li[data-id="${id}"]`);
    if (!(await tab.getAttribute('class'))?.includes('lm-mod-current')) {
      await tab.click();
    }
    const panel = this.page.locator(`#${id}`);
    await expect(panel).toBeVisible();
    return panel;
  }

  /** The page in front of the main area. */
  get front(): Locator {
    return this.page.locator('#jp-main-dock-panel .jp-MainAreaWidget:visible');
  }

  get dialog(): Locator {
    return this.page.locator('.jp-Dialog-content');
  }

  async execute(command: string, args: object = {}): Promise<void> {
    await this.page.evaluate(
      async ([id, values]) => {
        await (window as any).jupyterapp.commands.execute(id, values);
      },
      [command, args] as const
    );
  }

  /** Choose an entry of the menu that a right click on something opens. */
  async choose(
    target: Locator,
    entry: string,
    at: Parameters<Locator['click']>[0] = {}
  ): Promise<void> {
    await target.click({ ...at, button: 'right' });
    await this.page
      .locator('.lm-Menu:visible .lm-Menu-itemLabel')
      .getByText(entry, { exact: true })
      .click();
  }

  /** Write a file below the server's root, as another program would. */
  async writeFile(path: string, content: string): Promise<void> {
    await this.page.evaluate(
      async ([where, text]) => {
        const { contents } = (window as any).jupyterapp.serviceManager;
        await contents.save(where, {
          type: 'file',
          format: 'text',
          content: text
        });
      },
      [path, content] as const
    );
  }

  async deleteFile(path: string): Promise<void> {
    await this.page.evaluate(async where => {
      await (window as any).jupyterapp.serviceManager.contents.delete(where);
    }, path);
  }

  async theme(theme: Theme): Promise<void> {
    await this.execute('apputils:change-theme', { theme });
    await this.page
      .locator(`body[data-jp-theme-name="${theme}"]`)
      .waitFor({ state: 'attached' });
    // Charts are drawn again after the style sheet has come.
    await this.page.waitForTimeout(500);
  }

  /** Make the left area this wide, in pixels. */
  async leftWidth(pixels: number): Promise<void> {
    const handle = this.page
      .locator('#jp-main-split-panel > .lm-SplitPanel-handle')
      .first();
    const box = await handle.boundingBox();
    const left = await this.page.locator('#jp-left-stack').boundingBox();
    if (!box || !left) {
      throw new Error('The left area is not shown.');
    }
    const y = box.y + box.height / 2;
    await this.page.mouse.move(box.x + box.width / 2, y);
    await this.page.mouse.down();
    await this.page.mouse.move(left.x + pixels, y, { steps: 5 });
    await this.page.mouse.up();
  }

  async screenshot(name: string): Promise<void> {
    await this.page.screenshot({ path: `ui-tests/out/${name}.png` });
  }

  /** A picture in each theme, ending in the light one. */
  async screenshots(name: string): Promise<void> {
    await this.theme('JupyterLab Dark');
    await this.screenshot(`${name}-dark`);
    await this.theme('JupyterLab Light');
    await this.screenshot(`${name}-light`);
  }

  private async settled(): Promise<void> {
    await this.page.waitForFunction(
      () => (window as any).jupyterapp !== undefined
    );
    await this.page.evaluate(async () => {
      await (window as any).jupyterapp.restored;
    });
    await this.page
      .locator('#jupyterlab-splash')
      .waitFor({ state: 'detached' });
  }
}
