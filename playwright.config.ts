import { existsSync } from 'node:fs';
import { defineConfig } from '@playwright/test';

const PORT = 4187;
const DEBIAN_CHROMIUM = '/usr/bin/chromium';

/**
 * Playwright's own headless shell has no WebGPU. Debian's Chromium, where it is installed, runs it on SwiftShader;
 * elsewhere a full Chromium uses the machine's GPU.
 */
const software = existsSync(DEBIAN_CHROMIUM);

export default defineConfig({
  testDir: 'tests/e2e',
  timeout: 10 * 60_000,
  workers: 1,
  fullyParallel: false,
  reporter: 'list',
  use: {
    baseURL: `http://localhost:${PORT}`,
    // Traces take pictures all the time, which the software device pays for with training.
    trace: 'off',
    channel: software ? undefined : 'chromium',
    launchOptions: software
      ? {
          executablePath: DEBIAN_CHROMIUM,
          headless: false,
          args: [
            '--headless=new',
            '--no-sandbox',
            '--enable-unsafe-webgpu',
            '--use-webgpu-adapter=swiftshader',
            '--disable-background-networking',
            '--disable-component-update',
            '--disable-sync',
          ],
        }
      : {
          args: [
            '--enable-unsafe-webgpu',
            // Chromium's WebGPU runs on Vulkan there, and only when asked.
            ...(process.platform === 'linux' ? ['--enable-features=Vulkan'] : []),
          ],
        },
  },
  webServer: {
    command: `npx vite preview --port ${PORT} --strictPort`,
    url: `http://localhost:${PORT}`,
    reuseExistingServer: false,
  },
});
