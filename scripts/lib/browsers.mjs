import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { addBackports } from './apt.mjs';
import { lavapipe } from './environment.mjs';
import { bin, run } from './run.mjs';

/** Debian 12's own Mesa is too old for Dawn. */
const LEAST_MESA = 25;

/** Installs what the tests need beside the packages: a browser with WebGPU, and a Vulkan driver where there is no GPU. */
export async function installBrowsers() {
  if (!isDebian() || process.getuid?.() !== 0) {
    await run(bin('playwright'), ['install', 'chromium']);
    return;
  }
  const needsMesa = !lavapipe() || mesaVersion() < LEAST_MESA;
  const needsChromium = !existsSync('/usr/bin/chromium');
  if (!needsMesa && !needsChromium) return;
  process.env.DEBIAN_FRONTEND ??= 'noninteractive';
  if (needsMesa && release() === 'bookworm') addBackports('bookworm');
  await run('apt-get', ['update']);
  if (needsMesa) {
    const suite = release() === 'bookworm' ? ['-t', 'bookworm-backports'] : [];
    await run('apt-get', ['install', '-y', ...suite, 'mesa-vulkan-drivers', 'libvulkan1']);
  }
  if (needsChromium) await run('apt-get', ['install', '-y', 'chromium']);
}

function osRelease() {
  return existsSync('/etc/os-release') ? readFileSync('/etc/os-release', 'utf8') : '';
}

function isDebian() {
  return /^ID=debian$/m.test(osRelease());
}

function release() {
  return /^VERSION_CODENAME=(\w+)$/m.exec(osRelease())?.[1];
}

/** Major version of the installed Vulkan drivers, 0 when there are none. */
function mesaVersion() {
  try {
    const version = execFileSync('dpkg-query', ['-W', '-f', '${Version}', 'mesa-vulkan-drivers'], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    return Number.parseInt(version.replace(/^\d+:/, ''), 10) || 0;
  } catch {
    return 0;
  }
}
