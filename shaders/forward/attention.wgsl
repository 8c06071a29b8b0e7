// Grouped-query attention with online softmax (Milakov & Gimelshein 2018): out[T, H·HD] and
// statistics[T, H].x = log Σ exp(scores); .y is left to the backward pass.
// Token t sees key rows [prefix_start, prefix_end) and [own_start, row] of keys, values [KV][CAPACITY][HD]. A thread
// handles one query of one head. Overwrites.
@group(0) @binding(0) var<storage, read> q: array<vec4<Activation>>;
@group(0) @binding(1) var<storage, read> keys: array<vec4<Activation>>;
@group(0) @binding(2) var<storage, read> values: array<vec4<Activation>>;
@group(0) @binding(3) var<storage, read> tokens: array<Token>;
@group(0) @binding(4) var<storage, read_write> out: array<vec4<Activation>>;
@group(0) @binding(5) var<storage, read_write> statistics: array<vec2<f32>>;
@group(0) @binding(6) var<uniform> batch: Batch;

const QUADS = HEAD_DIM / 4u;

@compute @workgroup_size(32)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
  let t = id.x;
  let head = id.y;
  if (t >= batch.tokens) {
    return;
  }
  let token = tokens[t];
  let source = (t * HEADS + head) * QUADS;
  let cache = head / (HEADS / KV_HEADS) * CAPACITY * QUADS;
  var query: array<vec4<f32>, QUADS>;
  var sum: array<vec4<f32>, QUADS>;
  for (var i = 0u; i < QUADS; i++) {
    query[i] = vec4<f32>(q[source + i]) * inverseSqrt(f32(HEAD_DIM));
  }
  var maximum = -1e30;
  var normalizer = 0.0;
  let prefix = token.prefix_end - token.prefix_start;
  let count = prefix + token.row + 1u - token.own_start;
  for (var n = 0u; n < count; n++) {
    let j = select(token.own_start + n - prefix, token.prefix_start + n, n < prefix);
    let row = cache + j * QUADS;
    var score = 0.0;
    for (var i = 0u; i < QUADS; i++) {
      score += dot(query[i], vec4<f32>(keys[row + i]));
    }
    let higher = max(maximum, score);
    let correction = exp(maximum - higher);
    let p = exp(score - higher);
    normalizer = normalizer * correction + p;
    for (var i = 0u; i < QUADS; i++) {
      sum[i] = sum[i] * correction + p * vec4<f32>(values[row + i]);
    }
    maximum = higher;
  }
  for (var i = 0u; i < QUADS; i++) {
    out[source + i] = vec4<Activation>(sum[i] / normalizer);
  }
  statistics[t * HEADS + head].x = maximum + log(normalizer);
}
