import { linearShapes, type ModelConfig } from './model-config';

/** A tensor that a model of this shape must have, under its MLC name. */
export type ExpectedTensor =
  | { kind: 'int4'; name: string; rows: number; columns: number; parts: string[] }
  | { kind: 'float'; name: string; size: number };

/** All tensors of a model; an int4 matrix stacks the hub's `parts` along its rows. */
export function expectedTensors(config: ModelConfig): ExpectedTensor[] {
  const d = config.hidden_size;
  const matrix = (name: string, rows: number, columns: number, parts = [name]): ExpectedTensor => ({
    kind: 'int4',
    name,
    rows,
    columns,
    parts,
  });
  const norm = (name: string): ExpectedTensor => ({ kind: 'float', name, size: d });
  const tensors = [matrix('model.embed_tokens', config.vocab_size, d)];
  for (let layer = 0; layer < config.num_hidden_layers; layer++) {
    const prefix = `model.layers.${layer}.`;
    tensors.push(norm(`${prefix}input_layernorm`), norm(`${prefix}post_attention_layernorm`));
    for (const shape of linearShapes(config)) {
      const parts = shape.parts.map((part) => prefix + part.path);
      tensors.push(matrix(prefix + shape.path, shape.out, shape.in, parts));
    }
  }
  tensors.push(norm('model.norm'));
  if (!config.tie_word_embeddings) tensors.push(matrix('lm_head', config.vocab_size, d));
  return tensors;
}
