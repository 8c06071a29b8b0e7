import type { DecodeRow } from './decoding';
import type { ProductRow } from './products';
import type { LoopFigures } from './loop';

/** All that `bench speed` measures. */
export interface SpeedFigures {
  device: string;
  processor: string;
  products: ProductRow[];
  decoding: DecodeRow[];
  loop: LoopFigures;
}

interface Goal {
  what: string;
  beside: string;
  /** As measured. */
  value: string;
  goal: string;
  met: boolean;
}

/** The figures beside the goals, then all of them. */
export function speedMarkdown(figures: SpeedFigures, command: string): string {
  const { device, processor, products, decoding, loop } = figures;
  return `# Speed, side by side

Written by \`${command}\` on ${device} (${processor}).
All of it comes from one run: contestants take turns, and each figure is the median of its rounds; ratios count, since a
machine's absolute times wander. Everyone computes with the same weights on the same machine: onnxruntime-web runs the
operator that its exporters use for int4 (MatMulNBits, in f32 or with the input in int8) on the same WebGPU or on all
cores, and whole decoders that were written for it from the same weights; jax-js multiplies in f32 on the same WebGPU.
Inputs come from the host and results go back to it. web-llm needs libraries compiled for each model, which no package
holds; transformers.js decodes with onnxruntime-web, which stands for it here.

## Goals

| what | beside | measured | goal | |
| --- | --- | --- | --- | --- |
${goalsOf(figures)
  .map(
    ({ what, beside, value, goal, met }) =>
      `| ${what} | ${beside} | ${value} | ${goal} | ${met ? 'met' : 'missed'} |`,
  )
  .join('\n')}

## Products

Milliseconds of one product, the mean of sixteen in a row: up and down projections of a layer's MLP in turns, for one row
(decoding) and 64 (prompts, training).

${tableOf(products.map((row) => ({ title: `${row.model}, ${row.wide} × ${row.narrow}, ${rowsOf(row)}: ${row.what}`, ms: row.ms })))}

## Decoding

Milliseconds a token after a prompt of 32, without adapters.

${tableOf(decoding.map((row) => ({ title: `${row.model}, ${(row.parameters / 1e6).toFixed(1)} M parameters`, ms: row.ms })))}

## Chat and training

| | |
| --- | --- |
| a token | ${loop.token.toFixed(2)} ms |
| another adapter | ${loop.swap.toFixed(2)} ms |
| a token of a reply of 32, prompt included | ${loop.reply.toFixed(2)} ms |
| the same while training | ${loop.whileTraining.toFixed(2)} times as long |
| a training step of 472 tokens | ${loop.step.toFixed(0)} ms |
| a forward pass of the same | ${loop.forward.toFixed(0)} ms |
| copies of 64 MiB, read and written | ${(loop.copyBytesPerSecond / 1e9).toFixed(1)} GB/s |
`;
}

function rowsOf({ rows }: ProductRow): string {
  return rows === 1 ? 'one row' : `${rows} rows`;
}

function goalsOf({ products, decoding, loop }: SpeedFigures): Goal[] {
  const ratio = (what: string, beside: string, value: number, least: number): Goal => ({
    what,
    beside,
    value: `${value.toFixed(2)} ×`,
    goal: `≥ ${least} ×`,
    met: value >= least,
  });
  const most = (what: string, beside: string, value: number, limit: number): Goal => ({
    what,
    beside,
    value: value.toFixed(2),
    goal: `≤ ${limit}`,
    met: value <= limit,
  });
  const { token, swap } = loop;
  return [
    ...products.flatMap((row) => {
      const own = row.ms['ours'] ?? NaN;
      const title = `${row.model}, ${rowsOf(row)}: ${row.what}`;
      const onnx = (accuracy: number): number => fastest(row.ms, `accuracy ${accuracy}`) / own;
      const jax = fastest(row.ms, 'jax-js') / own;
      return [
        ...(row.rows === 1
          ? [
              ratio(title, 'onnxruntime-web, f32', onnx(0), 3),
              ratio(title, 'onnxruntime-web, int8 input', onnx(4), 1.3),
            ]
          : [ratio(title, 'jax-js', jax, 2)]),
      ];
    }),
    ...decoding.flatMap((row) => [
      ...memoryGoal(row),
      ratio(
        `${row.model}: decoding`,
        'onnxruntime-web, its fastest form',
        fastest(row.ms, 'onnxruntime') / fastest(row.ms, 'ours'),
        2,
      ),
      most(`${row.model}: dispatches a token`, 'counted', row.dispatches, 6 * row.layers + 4),
      ...row.adapters.map(({ rank, ratio: found, bytes }) =>
        most(
          `${row.model}: token with an adapter of rank ${rank}`,
          `without; ${(100 * bytes).toFixed(0)} % more bytes`,
          found,
          rank === 4 ? 1.05 : 1.08,
        ),
      ),
    ]),
    {
      what: 'another adapter',
      beside: 'a token',
      value: `${swap.toFixed(2)} ms`,
      goal: `≤ ${token.toFixed(2)} ms`,
      met: swap <= token,
    },
    most('training step', 'forward pass of the same tokens', loop.stepPerForward, 3.6),
    ratio('prompts shared by a pair', 'own step without', loop.unsharedPerShared, 1.3),
    most('token while training', 'token alone', loop.whileTraining, 1.3),
  ];
}

/** The best published figure for a model of that size is 136 MB, on a GPU. */
function memoryGoal({ model, parameters, trainingBytes }: DecodeRow): Goal[] {
  if (parameters < 4e8) return [];
  return [
    {
      what: `${model}: memory of training beyond the weights, 256 tokens`,
      beside: 'counted',
      value: `${(trainingBytes / 1e6).toFixed(0)} MB`,
      goal: '≤ 150 MB',
      met: trainingBytes <= 150e6,
    },
  ];
}

/** The least time of those whose name says so. */
function fastest(ms: Readonly<Record<string, number>>, name: string): number {
  return Math.min(...Object.entries(ms).flatMap(([key, value]) => (key.includes(name) ? [value] : [])));
}

/** Times by contestant; the column of one that did not take part stays empty. */
function tableOf(rows: readonly { title: string; ms: DecodeRow['ms'] }[]): string {
  const names = [...new Set(rows.flatMap(({ ms }) => Object.keys(ms)))];
  const lines = rows.map(({ title, ms }) => [title, ...names.map((name) => ms[name]?.toFixed(2) ?? '')]);
  return [['', ...names], ['---', ...names.map(() => '---')], ...lines]
    .map((cells) => `| ${cells.join(' | ')} |`)
    .join('\n');
}
