import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { execFileSync } from 'node:child_process';
import { lavapipe } from './environment.mjs';
import { run } from './run.mjs';

/** Debian 12's own Mesa is too old for Dawn. */
const LEAST_MESA = 25;
const BACKPORTS = '/etc/apt/sources.list.d/thumbprint-backports.list';

/** Installs what the tests need beside the packages: a browser with WebGPU, and a Vulkan driver where there is no GPU. */
export async function installBrowsers() {
  if (!isDebian() || process.getuid?.() !== 0) {
    await run('npx', ['playwright', 'install', 'chromium']);
    return;
  }
  const needsMesa = !lavapipe() || mesaVersion() < LEAST_MESA;
  const needsChromium = !existsSync('/usr/bin/chromium');
  if (!needsMesa && !needsChromium) return;
  if (needsMesa && release() === 'bookworm') addBackports();
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

/** Adds the backports suite from the mirror that the machine uses already. */
function addBackports() {
  const folder = '/etc/apt/sources.list.d';
  const files = [
    '/etc/apt/sources.list',
    ...(existsSync(folder) ? readdirSync(folder).map((file) => `${folder}/${file}`) : []),
  ];
  const text = files
    .filter((file) => existsSync(file))
    .map((file) => readFileSync(file, 'utf8'))
    .join('\n');
  if (/^[^#\n]*bookworm-backports/m.test(text)) return;
  const mirrors = [
    ...text.matchAll(/^deb\s+(?:\[[^\]]*\]\s+)?(\S+)\s+bookworm\s/gm),
    ...text.matchAll(/^URIs:\s*(\S+)(?=\n(?:.*\n)*?Suites:.*\bbookworm\b)/gm),
  ].map((match) => match[1]);
  const mirror = mirrors.find((uri) => /\/debian\/?$/.test(uri)) ?? 'http://deb.debian.org/debian';
  writeFileSync(BACKPORTS, `deb ${mirror} bookworm-backports main\n`);
}
