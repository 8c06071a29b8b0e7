import { existsSync, readdirSync } from 'node:fs';
import { tmpdir } from 'node:os';

const DRIVERS = '/usr/share/vulkan/icd.d';

/** Path of Mesa's software Vulkan driver, or undefined. Its name has changed between releases. */
export function lavapipe() {
  try {
    const name = readdirSync(DRIVERS).find((file) => /^lvp_icd.*\.json$/.test(file));
    return name && `${DRIVERS}/${name}`;
  } catch {
    return undefined;
  }
}

/** Whether the machine has a graphics device of its own. NVIDIA's containers show it under a name of its own only. */
function hasGraphicsDevice() {
  if (existsSync('/dev/nvidiactl')) return true;
  try {
    return readdirSync('/dev/dri').some((file) => file.startsWith('renderD'));
  } catch {
    return false;
  }
}

/** On a Linux machine without a GPU, points Vulkan to Mesa's software driver, unless the user has chosen one. */
export function useSoftwareVulkan(environment = process.env) {
  environment.XDG_RUNTIME_DIR ??= tmpdir();
  if (process.platform !== 'linux' || environment.VK_DRIVER_FILES || hasGraphicsDevice()) return;
  const driver = lavapipe();
  if (driver) environment.VK_DRIVER_FILES = driver;
}
