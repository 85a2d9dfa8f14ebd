import { expect, test } from '@playwright/test';
import { gzipSync } from 'node:zlib';
import { Lab } from '../pages/lab';

test('starts small and asks for almost nothing', async ({ page }) => {
  let kilobytes = 0;
  const asked: string[] = [];
  const sizes: Promise<void>[] = [];
  page.on('response', response => {
    const path = new URL(response.url()).pathname;
    if (/\/lab\/extensions\/jupyter-mlops\/.*\.js$/.test(path)) {
      sizes.push(
        response.body().then(body => {
          kilobytes += gzipSync(body).length / 1000;
        })
      );
    }
    if (path.includes('/jupyter-mlops/api/')) {
      asked.push(path.replace(/^.*\/jupyter-mlops\/api/, ''));
    }
  });
  const lab = new Lab(page);
  await lab.open('iris');
  await page.waitForLoadState('networkidle');
  await Promise.all(sizes);
  console.log(`JavaScript at start: ${kilobytes.toFixed(1)} kB gzip`);
  expect(kilobytes).toBeGreaterThan(1);
  expect(kilobytes).toBeLessThan(60);
  expect(new Set(asked)).toEqual(new Set(['/workspace', '/health']));
});
