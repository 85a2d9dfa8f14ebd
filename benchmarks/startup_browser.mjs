// Load JupyterLab with and without the extension, in turns; print the seconds until the first panel can be used and
// the gzipped size of the scripts that the extension loaded. Arguments: URL with, URL without, rounds.
import { chromium } from '@playwright/test';
import { existsSync } from 'node:fs';
import { gzipSync } from 'node:zlib';

const [ours, peer, rounds] = [process.argv[2], process.argv[3], Number(process.argv[4])];
const program = process.env.CHROMIUM ?? (existsSync('/usr/bin/chromium') ? '/usr/bin/chromium' : undefined);
const browser = await chromium.launch({
  executablePath: program,
  args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
    '--disable-component-update', '--disable-sync']
});
let extensionBytes = 0;

async function load(url) {
  const context = await browser.newContext(); // nothing cached: a first visit
  const page = await context.newPage();
  const scripts = [];
  page.on('response', response => {
    if (response.url().includes('/lab/extensions/jupyter-mlops/') && response.url().split('?')[0].endsWith('.js')) {
      scripts.push(response.body().then(body => gzipSync(body).length, () => 0));
    }
  });
  const begun = performance.now();
  await page.goto(`${url}/lab?reset`);
  await page.locator('#jupyterlab-splash').waitFor({ state: 'detached' });
  await page.locator('.jp-DirListing-content').waitFor({ state: 'visible' });
  await page.locator('.jp-SideBar [data-id="filebrowser"]').click({ trial: true });
  const seconds = (performance.now() - begun) / 1000;
  if (url === ours) {
    await page.waitForLoadState('networkidle');
    extensionBytes = (await Promise.all(scripts)).reduce((a, b) => a + b, 0);
  }
  await context.close();
  return seconds;
}

const times = { ours: [], peer: [] };
for (let round = -1; round < rounds; round++) {
  const order = round % 2 === 0 ? ['ours', 'peer'] : ['peer', 'ours'];
  for (const name of order) {
    const seconds = await load(name === 'ours' ? ours : peer);
    if (round >= 0) {
      times[name].push(seconds);
    }
  }
}
await browser.close();
console.log(JSON.stringify({ times, extension_bytes: extensionBytes }));
