// X[T, D] = rows of the int4 embedding. A thread writes 8 columns. Overwrites.
@group(0) @binding(0) var<storage, read> weight: array<u32>;
@group(0) @binding(1) var<storage, read> scale: array<u32>;
@group(0) @binding(2) var<storage, read> tokens: array<Token>;
@group(0) @binding(3) var<storage, read_write> x: array<vec4<f32>>;
@group(0) @binding(4) var<uniform> batch: Batch;

const WORDS = D / 8u;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
  let row = id.y;
  let word = id.x;
  if (row >= batch.tokens || word >= WORDS) {
    return;
  }
  let index = min(tokens[row].id, VOCAB - 1u) * WORDS + word;
  let packed = weight[index];
  let s = int4_scale(index / 4u);
  let out = (row * WORDS + word) * 2u;
  x[out] = int4_low(packed) * s;
  x[out + 1u] = int4_high(packed) * s;
}
