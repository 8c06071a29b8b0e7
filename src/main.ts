import { mount } from 'svelte';
import { registerSW } from 'virtual:pwa-register';
import App from './app/App.svelte';
import { AppState } from './app/state/app.svelte';
import { UpdateState } from './app/state/update.svelte';
import { required } from './shared/assert';

const update = new UpdateState();
const app = new AppState(
  () => new Worker(new URL('./engine/engine.worker.ts', import.meta.url), { type: 'module', name: 'engine' }),
  update,
);

mount(App, { target: required(document.getElementById('app'), 'The element #app'), props: { app } });
void app.start();

const applyUpdate = registerSW({
  onNeedRefresh: () => update.offer(() => void applyUpdate(true)),
});
