import { fastest, measureForms } from '../../../model/tuning';
import { parseOptions } from '../../args';
import { openEngine } from '../../engine';
import { printJson } from '../../io';

/** `bench forms`: what each form of the products takes on this device, and which of them it uses. */
export async function bench(args: readonly string[]): Promise<void> {
  const { options } = parseOptions(args, { model: 'string' }, 1);
  const { runtime } = await openEngine({ model: options.model ?? 'models/thumbling' });
  const measured = await measureForms(runtime);
  const { info, forms } = runtime.gpu;
  printJson({ bench: 'forms', device: info, measured, fastest: fastest(measured), used: forms });
}
