// Grouped-query attention with online softmax (Milakov & Gimelshein 2018): out[T, H·HD] and
// statistics[T, H].x = log Σ exp(scores); .y is left to the backward pass.
// Token t sees key rows [prefix_start, prefix_end) and [own_start, row] of keys, values [KV][CAPACITY][HD]. A thread
// handles one query of one head; a workgroup goes through all rows that one of its queries sees, so that its lanes load
// the same. Overwrites.
@group(0) @binding(0) var<storage, read> q: array<vec4<Activation>>;
@group(0) @binding(1) var<storage, read> keys: array<Activation>;
@group(0) @binding(2) var<storage, read> values: array<Activation>;
@group(0) @binding(3) var<storage, read> tokens: array<Token>;
@group(0) @binding(4) var<storage, read_write> out: array<vec4<Activation>>;
@group(0) @binding(5) var<storage, read_write> statistics: array<vec2<f32>>;
@group(0) @binding(6) var<uniform> batch: Batch;

const QUADS = HEAD_DIM / 4u;

@compute @workgroup_size(WORKGROUP)
fn main(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(local_invocation_id) local: vec3<u32>,
  lane: Lane,
) {
  // No early return: every lane takes part in loads that are shared.
  let first = workgroup.x * WORKGROUP;
  let t = min(first + local.x, batch.tokens - 1u);
  let head = workgroup.y;
  let token = tokens[t];
  let source = (t * HEADS + head) * QUADS;
  let cache = head / (HEADS / KV_HEADS) * CAPACITY * HEAD_DIM;
  let root = inverseSqrt(f32(HEAD_DIM));
  let query_low_$e = vec4<f32>(q[source + 2u * $e]) * root;
  let query_high_$e = vec4<f32>(q[source + 2u * $e + 1u]) * root;
  var low_$e = vec4<f32>();
  var high_$e = vec4<f32>();
  var maximum = -1e30;
  var normalizer = 0.0;
  let end = tokens[min(first + WORKGROUP - 1u, batch.tokens - 1u)].row + 1u;
  for (var j = first_seen(tokens[first]); j < end; j++) {
    let row = cache + j * HEAD_DIM;
    var score = 0.0;
    let key_$e = load_eight_keys(row + 8u * $e, lane.index);
    score += dot(query_low_$e, key_$e.low) + dot(query_high_$e, key_$e.high);
    let seen = sees(token, j);
    let higher = select(maximum, max(maximum, score), seen);
    let correction = exp(maximum - higher);
    let p = select(0.0, exp(score - higher), seen);
    normalizer = normalizer * correction + p;
    let value_$e = load_eight_values(row + 8u * $e, lane.index);
    low_$e = low_$e * correction + p * value_$e.low;
    high_$e = high_$e * correction + p * value_$e.high;
    maximum = higher;
  }
  if (first + local.x >= batch.tokens) {
    return;
  }
  out[source + 2u * $e] = vec4<Activation>(low_$e / normalizer);
  out[source + 2u * $e + 1u] = vec4<Activation>(high_$e / normalizer);
  statistics[t * HEADS + head].x = maximum + log(normalizer);
}
