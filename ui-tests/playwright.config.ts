import { defineConfig } from '@playwright/test';

const port = process.env.MLOPS_UI_PORT ?? '8898';

/** A base URL with a quoted character in it, as JupyterHub makes them. */
const base = `http://127.0.0.1:${port}/user/me%40here/`;

export default defineConfig({
  testDir: 'tests',
  workers: 1,
  fullyParallel: false,
  timeout: 360_000,
  expect: { timeout: 20_000 },
  reporter: [['list']],
  outputDir: 'test-results',
  use: {
    baseURL: base,
    viewport: { width: 1280, height: 800 },
    locale: 'en-US',
    video: 'off',
    trace: 'retain-on-failure',
    launchOptions: {
      // Debian's browser by default; CHROMIUM= (empty) takes Playwright's own.
      executablePath:
        (process.env.CHROMIUM ?? '/usr/bin/chromium') || undefined,
      args: [
        '--no-sandbox',
        '--disable-gpu',
        '--disable-quic',
        '--no-first-run',
        '--disable-background-networking',
        '--disable-component-update',
        '--disable-sync'
      ]
    }
  },
  webServer: {
    command: 'jupyter lab --config jupyter_config.py',
    cwd: __dirname,
    url: `${base}api`,
    timeout: 120_000,
    reuseExistingServer: !process.env.CI,
    gracefulShutdown: { signal: 'SIGTERM', timeout: 15_000 }
  }
});
